CREATE TABLE daily_count (
	what VARCHAR(16) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	about VARCHAR(64) NOT NULL, 
	place VARCHAR(128) NOT NULL, 
	n BIGINT NOT NULL, 
	PRIMARY KEY (what, day, about, place)
)
 WITHOUT ROWID;
CREATE TABLE counted_up_to (
	name VARCHAR(32) NOT NULL, 
	up_to INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	message TEXT NOT NULL, 
	link VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only ever added to'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only ever added to'); END;
CREATE TABLE audit_forwarded (
	id INTEGER NOT NULL, 
	up_to INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE audit_check (
	id INTEGER NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	"by" VARCHAR(64) NOT NULL, 
	up_to INTEGER NOT NULL, 
	head VARCHAR(64) NOT NULL, 
	broken TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE forgotten_file (
	path TEXT NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (path)
);
CREATE TABLE doomed_file (
	path TEXT NOT NULL, 
	since VARCHAR(26) NOT NULL, 
	PRIMARY KEY (path)
);
CREATE TABLE listing_progress (
	id INTEGER NOT NULL, 
	event_id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	walked_to VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE hl7_message (
	id INTEGER NOT NULL, 
	received_at VARCHAR(26) NOT NULL, 
	sender VARCHAR(512) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	control_id VARCHAR(199) NOT NULL, 
	type VARCHAR(16) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	content BLOB NOT NULL, 
	said JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	words TEXT NOT NULL, 
	acted_at VARCHAR(26), 
	PRIMARY KEY (id), 
	UNIQUE (sender, control_id, digest)
);
CREATE INDEX hl7_message_by_state ON hl7_message (state, id);
CREATE TABLE account (
	id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	full_name VARCHAR(128) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	password_hash TEXT NOT NULL, 
	subject VARCHAR(600), 
	must_change BOOLEAN NOT NULL, 
	disabled BOOLEAN NOT NULL, 
	failures INTEGER NOT NULL, 
	locked_until VARCHAR(26), 
	language VARCHAR(8) NOT NULL, 
	theme VARCHAR(16) NOT NULL, 
	created_at VARCHAR(26) NOT NULL, 
	signed_in_at VARCHAR(26), 
	PRIMARY KEY (id), 
	UNIQUE (name), 
	UNIQUE (subject)
);
CREATE TABLE sign_in_brake (
	address VARCHAR(64) NOT NULL, 
	attempts INTEGER NOT NULL, 
	began_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (address)
);
CREATE INDEX sign_in_brake_by_age ON sign_in_brake (began_at);
CREATE TABLE prior_image (
	id INTEGER NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	series_instance_uid VARCHAR(64) NOT NULL, 
	sop_class_uid VARCHAR(64) NOT NULL, 
	transfer_syntax_uid VARCHAR(64) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	data_set_offset INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	kept_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sop_instance_uid, digest)
);
CREATE TABLE prior_awaited (
	sop_instance_uid VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	until VARCHAR(26) NOT NULL, 
	PRIMARY KEY (sop_instance_uid)
);
CREATE TABLE qc_run (
	id VARCHAR(16) NOT NULL, 
	started_by VARCHAR(16) NOT NULL, 
	started_at VARCHAR(26) NOT NULL, 
	finished_at VARCHAR(26), 
	passed BOOLEAN, 
	build JSON NOT NULL, 
	films JSON NOT NULL, 
	checks JSON NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX qc_run_by_start ON qc_run (started_at);
CREATE TABLE job (
	id INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	lane VARCHAR(64) NOT NULL, 
	"key" VARCHAR(80) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	priority INTEGER NOT NULL, 
	run_at VARCHAR(26) NOT NULL, 
	rank_at VARCHAR(26) NOT NULL, 
	claims INTEGER NOT NULL, 
	failures INTEGER NOT NULL, 
	fence INTEGER NOT NULL, 
	owner VARCHAR(64) NOT NULL, 
	lease_until VARCHAR(26), 
	error TEXT NOT NULL, 
	created_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX job_one_waiting ON job (kind, "key") WHERE state = 'waiting';
CREATE INDEX job_order ON job (kind, lane, state, rank_at);
CREATE TABLE turnaround (
	id INTEGER NOT NULL, 
	what VARCHAR(8) NOT NULL, 
	revision_id INTEGER NOT NULL, 
	destination VARCHAR(64) NOT NULL, 
	seconds FLOAT NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (revision_id, what, destination)
);
CREATE TABLE alarm (
	id INTEGER NOT NULL, 
	code VARCHAR(32) NOT NULL, 
	about VARCHAR(128) NOT NULL, 
	count INTEGER NOT NULL, 
	raised_at VARCHAR(26) NOT NULL, 
	told_at VARCHAR(26), 
	recovered_at VARCHAR(26), 
	recovery_told_at VARCHAR(26), 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX alarm_open ON alarm (code, about) WHERE recovered_at IS NULL;
CREATE TABLE process (
	role VARCHAR(16) NOT NULL, 
	pid INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	words TEXT NOT NULL, 
	started_at VARCHAR(26) NOT NULL, 
	beat_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (role)
);
CREATE TABLE settings_request (
	id INTEGER NOT NULL, 
	asked_at VARCHAR(26) NOT NULL, 
	asked_by VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE settings_in_force (
	role VARCHAR(16) NOT NULL, 
	request_id INTEGER NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	restart JSON NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (role)
);
CREATE TABLE home (
	storage_id VARCHAR(32) NOT NULL, 
	PRIMARY KEY (storage_id)
);
CREATE TABLE study (
	study_instance_uid VARCHAR(64) NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	explanation TEXT NOT NULL, 
	first_received_at VARCHAR(26) NOT NULL, 
	last_received_at VARCHAR(26) NOT NULL, 
	revision INTEGER NOT NULL, 
	PRIMARY KEY (study_instance_uid)
);
CREATE INDEX study_by_state ON study (state, last_received_at);
CREATE INDEX study_by_arrival ON study (last_received_at);
CREATE TABLE open_study (
	association_id VARCHAR(64) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	PRIMARY KEY (association_id, study_instance_uid)
);
CREATE TABLE refusal (
	id INTEGER NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	what VARCHAR(16) NOT NULL, 
	calling_ae_title VARCHAR(16) NOT NULL, 
	called_ae_title VARCHAR(16) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	status VARCHAR(8) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	comment TEXT NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE event (
	id INTEGER NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	stage VARCHAR(16) NOT NULL, 
	code VARCHAR(64) NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX event_by_study ON event (study_instance_uid, id);
CREATE TABLE api_token (
	id INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	made_by VARCHAR(64) NOT NULL, 
	created_at VARCHAR(26) NOT NULL, 
	expires_at VARCHAR(26) NOT NULL, 
	seen_at VARCHAR(26), 
	revoked_at VARCHAR(26), 
	PRIMARY KEY (id), 
	UNIQUE (digest), 
	UNIQUE (name)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
CREATE TABLE listing (
	study_instance_uid VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	position BIGINT NOT NULL, 
	patient_name TEXT NOT NULL, 
	patient_id TEXT NOT NULL, 
	birth_date TEXT NOT NULL, 
	sex TEXT NOT NULL, 
	accession_number TEXT NOT NULL, 
	study_date TEXT NOT NULL, 
	study_time TEXT NOT NULL, 
	description TEXT NOT NULL, 
	modality TEXT NOT NULL, 
	scanner VARCHAR(16) NOT NULL, 
	scanner_model TEXT NOT NULL, 
	images INTEGER NOT NULL, 
	constancy BOOLEAN NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	explanation TEXT NOT NULL, 
	standing VARCHAR(24) NOT NULL, 
	revision INTEGER NOT NULL, 
	priority VARCHAR(16) NOT NULL, 
	reasons JSON NOT NULL, 
	flag VARCHAR(16) NOT NULL, 
	flag_trouble TEXT NOT NULL, 
	flagged_at VARCHAR(26), 
	outcome VARCHAR(16) NOT NULL, 
	read_at VARCHAR(26), 
	findings JSON NOT NULL, 
	delivered INTEGER NOT NULL, 
	waiting INTEGER NOT NULL, 
	parked INTEGER NOT NULL, 
	held INTEGER NOT NULL, 
	failing VARCHAR(16) NOT NULL, 
	trouble BOOLEAN NOT NULL, 
	reported_at VARCHAR(26), 
	verdict VARCHAR(16), 
	verdict_by VARCHAR(64), 
	reviewed BOOLEAN NOT NULL, 
	arrived_at VARCHAR(26) NOT NULL, 
	last_received_at VARCHAR(26) NOT NULL, 
	changed_at VARCHAR(26) NOT NULL, 
	study_moment VARCHAR(64) NOT NULL, 
	name_key VARCHAR(64) NOT NULL, 
	other_name_key VARCHAR(64) NOT NULL, 
	id_key VARCHAR(64) NOT NULL, 
	accession_key VARCHAR(64) NOT NULL, 
	PRIMARY KEY (study_instance_uid), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE INDEX listing_by_scanner ON listing (scanner, position, study_instance_uid);
CREATE INDEX listing_by_failing ON listing (failing, position, study_instance_uid);
CREATE INDEX listing_by_name ON listing (name_key, study_instance_uid);
CREATE INDEX listing_by_other_name ON listing (other_name_key, study_instance_uid);
CREATE INDEX listing_by_trouble ON listing (trouble, position, study_instance_uid);
CREATE INDEX listing_by_review ON listing (reviewed, position, study_instance_uid);
CREATE INDEX listing_by_id ON listing (id_key, study_instance_uid);
CREATE INDEX listing_order ON listing (position, study_instance_uid);
CREATE INDEX listing_by_moment ON listing (study_moment, study_instance_uid);
CREATE INDEX listing_by_accession ON listing (accession_key, study_instance_uid);
CREATE INDEX listing_by_standing ON listing (standing, position, study_instance_uid);
CREATE INDEX listing_by_priority ON listing (priority, position, study_instance_uid);
CREATE TABLE listing_finding (
	study_instance_uid VARCHAR(64) NOT NULL, 
	concept VARCHAR(32) NOT NULL, 
	position BIGINT NOT NULL, 
	PRIMARY KEY (study_instance_uid, concept), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE INDEX listing_by_finding ON listing_finding (concept, position, study_instance_uid);
CREATE TABLE worklist_answer (
	study_instance_uid VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	asked_at VARCHAR(26) NOT NULL, 
	status VARCHAR(8) NOT NULL, 
	words TEXT NOT NULL, 
	entries JSON NOT NULL, 
	PRIMARY KEY (study_instance_uid), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE TABLE patient_order (
	id INTEGER NOT NULL, 
	accession_number VARCHAR(64) NOT NULL, 
	placer_order_number VARCHAR(199) NOT NULL, 
	filler_order_number VARCHAR(199) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	patient_id VARCHAR(250) NOT NULL, 
	patient JSON NOT NULL, 
	"order" JSON NOT NULL, 
	priority VARCHAR(16) NOT NULL, 
	scheduled_at VARCHAR(32) NOT NULL, 
	modality VARCHAR(16) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	message_id INTEGER, 
	heard_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(message_id) REFERENCES hl7_message (id)
);
CREATE INDEX ix_patient_order_study_instance_uid ON patient_order (study_instance_uid);
CREATE INDEX ix_patient_order_placer_order_number ON patient_order (placer_order_number);
CREATE INDEX ix_patient_order_accession_number ON patient_order (accession_number);
CREATE INDEX ix_patient_order_filler_order_number ON patient_order (filler_order_number);
CREATE INDEX ix_patient_order_patient_id ON patient_order (patient_id);
CREATE TABLE patient_statement (
	id INTEGER NOT NULL, 
	message_id INTEGER NOT NULL, 
	patient_id VARCHAR(250) NOT NULL, 
	patient JSON NOT NULL, 
	gone_id VARCHAR(250) NOT NULL, 
	gone JSON, 
	heard_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(message_id) REFERENCES hl7_message (id)
);
CREATE INDEX ix_patient_statement_gone_id ON patient_statement (gone_id);
CREATE INDEX ix_patient_statement_patient_id ON patient_statement (patient_id);
CREATE TABLE final_report (
	id INTEGER NOT NULL, 
	message_id INTEGER NOT NULL, 
	accession_number VARCHAR(64) NOT NULL, 
	placer_order_number VARCHAR(199) NOT NULL, 
	filler_order_number VARCHAR(199) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	patient JSON NOT NULL, 
	status VARCHAR(4) NOT NULL, 
	heard_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(message_id) REFERENCES hl7_message (id)
);
CREATE INDEX ix_final_report_placer_order_number ON final_report (placer_order_number);
CREATE INDEX ix_final_report_study_instance_uid ON final_report (study_instance_uid);
CREATE INDEX ix_final_report_accession_number ON final_report (accession_number);
CREATE INDEX ix_final_report_filler_order_number ON final_report (filler_order_number);
CREATE TABLE study_key (
	study_instance_uid VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	value VARCHAR(1024) NOT NULL, 
	PRIMARY KEY (study_instance_uid, kind, value), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE INDEX study_key_by_value ON study_key (kind, value);
CREATE TABLE study_unsettled (
	study_instance_uid VARCHAR(64) NOT NULL, 
	since VARCHAR(26) NOT NULL, 
	PRIMARY KEY (study_instance_uid), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE TABLE study_stop (
	study_instance_uid VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	words TEXT NOT NULL, 
	since VARCHAR(26) NOT NULL, 
	PRIMARY KEY (study_instance_uid, kind), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE TABLE message_study (
	message_id INTEGER NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	PRIMARY KEY (message_id, study_instance_uid), 
	FOREIGN KEY(message_id) REFERENCES hl7_message (id), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE INDEX message_study_by_study ON message_study (study_instance_uid);
CREATE TABLE web_session (
	digest VARCHAR(64) NOT NULL, 
	account_id INTEGER NOT NULL, 
	began_at VARCHAR(26) NOT NULL, 
	seen_at VARCHAR(26) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	PRIMARY KEY (digest), 
	FOREIGN KEY(account_id) REFERENCES account (id)
);
CREATE INDEX web_session_by_account ON web_session (account_id);
CREATE TABLE saved_view (
	id INTEGER NOT NULL, 
	account_id INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	wanted JSON NOT NULL, 
	is_default BOOLEAN NOT NULL, 
	created_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (account_id, name), 
	FOREIGN KEY(account_id) REFERENCES account (id)
);
CREATE TABLE urgency (
	study_instance_uid VARCHAR(64) NOT NULL, 
	priority VARCHAR(16) NOT NULL, 
	reasons JSON NOT NULL, 
	raised_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (study_instance_uid), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE TABLE review (
	id INTEGER NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	revision INTEGER NOT NULL, 
	finding VARCHAR(64) NOT NULL, 
	stated VARCHAR(16) NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	presence VARCHAR(16) NOT NULL, 
	laterality VARCHAR(16) NOT NULL, 
	words TEXT NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE INDEX review_by_study ON review (study_instance_uid, revision, finding);
CREATE INDEX review_by_time ON review (at);
CREATE TABLE instance (
	id INTEGER NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	series_instance_uid VARCHAR(64) NOT NULL, 
	sop_class_uid VARCHAR(64) NOT NULL, 
	transfer_syntax_uid VARCHAR(64) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	size INTEGER NOT NULL, 
	data_set_offset INTEGER NOT NULL, 
	path TEXT NOT NULL, 
	calling_ae_title VARCHAR(16) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	received_at VARCHAR(26) NOT NULL, 
	facts TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sop_instance_uid, version), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE INDEX instance_by_sender ON instance (calling_ae_title, received_at);
CREATE INDEX instance_by_study ON instance (study_instance_uid);
CREATE TABLE study_revision (
	id INTEGER NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	set_key VARCHAR(64) NOT NULL, 
	study JSON NOT NULL, 
	created_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (study_instance_uid, number), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
CREATE TABLE study_match (
	study_instance_uid VARCHAR(64) NOT NULL, 
	order_id INTEGER, 
	how VARCHAR(32) NOT NULL, 
	doubt VARCHAR(64) NOT NULL, 
	candidates JSON NOT NULL, 
	overlays JSON NOT NULL, 
	weighed_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (study_instance_uid), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid), 
	FOREIGN KEY(order_id) REFERENCES patient_order (id)
);
CREATE TABLE study_decision (
	id INTEGER NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	order_id INTEGER, 
	without_order BOOLEAN NOT NULL, 
	patient VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	known_order INTEGER NOT NULL, 
	known_statement INTEGER NOT NULL, 
	decided_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid), 
	FOREIGN KEY(order_id) REFERENCES patient_order (id)
);
CREATE INDEX ix_study_decision_study_instance_uid ON study_decision (study_instance_uid);
CREATE TABLE reading (
	revision_id INTEGER NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	explanation TEXT NOT NULL, 
	provenance JSON NOT NULL, 
	reply TEXT NOT NULL, 
	reasoning TEXT NOT NULL, 
	draft TEXT NOT NULL, 
	findings JSON NOT NULL, 
	notes JSON NOT NULL, 
	seconds FLOAT NOT NULL, 
	completed_at VARCHAR(26) NOT NULL, 
	impression TEXT NOT NULL, 
	comparison TEXT NOT NULL, 
	regions JSON NOT NULL, 
	verdicts JSON NOT NULL, 
	priority VARCHAR(16) NOT NULL, 
	reasons JSON NOT NULL, 
	PRIMARY KEY (revision_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
);
CREATE TABLE flag (
	revision_id INTEGER NOT NULL, 
	priority VARCHAR(16) NOT NULL, 
	reasons JSON NOT NULL, 
	probabilities JSON NOT NULL, 
	provenance JSON NOT NULL, 
	trouble TEXT NOT NULL, 
	seconds FLOAT NOT NULL, 
	flagged_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (revision_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
);
CREATE TABLE reply (
	id INTEGER NOT NULL, 
	revision_id INTEGER NOT NULL, 
	task VARCHAR(32) NOT NULL, 
	about VARCHAR(64) NOT NULL, 
	text TEXT NOT NULL, 
	tokens INTEGER NOT NULL, 
	finished BOOLEAN NOT NULL, 
	seconds FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
);
CREATE INDEX reply_by_revision ON reply (revision_id);
CREATE TABLE prior_search (
	revision_id INTEGER NOT NULL, 
	deadline_at VARCHAR(26) NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	prior_image_id INTEGER, 
	remarks JSON NOT NULL, 
	used BOOLEAN, 
	finished_at VARCHAR(26), 
	PRIMARY KEY (revision_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id), 
	FOREIGN KEY(prior_image_id) REFERENCES prior_image (id)
);
CREATE TABLE qc_picture (
	revision_id INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	columns INTEGER NOT NULL, 
	grid BLOB NOT NULL, 
	PRIMARY KEY (revision_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
);
CREATE TABLE document (
	id INTEGER NOT NULL, 
	revision_id INTEGER NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	identifier VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	created_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (kind, identifier), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
);
CREATE INDEX document_by_revision ON document (revision_id);
CREATE TABLE report_shortfall (
	revision_id INTEGER NOT NULL, 
	codes JSON NOT NULL, 
	PRIMARY KEY (revision_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
);
CREATE TABLE image_use (
	revision_id INTEGER NOT NULL, 
	instance_id INTEGER NOT NULL, 
	used BOOLEAN NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	explanation TEXT NOT NULL, 
	PRIMARY KEY (revision_id, instance_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id), 
	FOREIGN KEY(instance_id) REFERENCES instance (id)
);
CREATE TABLE image_use_change (
	revision_id INTEGER NOT NULL, 
	instance_id INTEGER NOT NULL, 
	used BOOLEAN NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	explanation TEXT NOT NULL, 
	PRIMARY KEY (revision_id, instance_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id), 
	FOREIGN KEY(instance_id) REFERENCES instance (id)
);
CREATE TABLE delivery (
	id INTEGER NOT NULL, 
	document_id INTEGER NOT NULL, 
	destination VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	words TEXT NOT NULL, 
	created_at VARCHAR(26) NOT NULL, 
	next_try_at VARCHAR(26), 
	finished_at VARCHAR(26), 
	PRIMARY KEY (id), 
	UNIQUE (document_id, destination), 
	FOREIGN KEY(document_id) REFERENCES document (id)
);
CREATE INDEX delivery_by_state ON delivery (state, destination);
CREATE TABLE unanswered (
	delivery_id INTEGER NOT NULL, 
	sent_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (delivery_id), 
	FOREIGN KEY(delivery_id) REFERENCES delivery (id)
);
CREATE TABLE commitment (
	delivery_id INTEGER NOT NULL, 
	sop_class_uid VARCHAR(64) NOT NULL, 
	sop_instance_uid VARCHAR(64) NOT NULL, 
	sent_at VARCHAR(26) NOT NULL, 
	asked_at VARCHAR(26), 
	failures INTEGER NOT NULL, 
	PRIMARY KEY (delivery_id), 
	FOREIGN KEY(delivery_id) REFERENCES delivery (id)
);
CREATE TABLE commitment_request (
	transaction_uid VARCHAR(64) NOT NULL, 
	delivery_id INTEGER NOT NULL, 
	began_at VARCHAR(26) NOT NULL, 
	answered_at VARCHAR(26), 
	failure_reason INTEGER, 
	settled BOOLEAN NOT NULL, 
	PRIMARY KEY (transaction_uid), 
	FOREIGN KEY(delivery_id) REFERENCES delivery (id)
);
CREATE INDEX commitment_request_by_delivery ON commitment_request (delivery_id);
INSERT INTO schema_version VALUES (4);
