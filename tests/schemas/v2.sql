BEGIN TRANSACTION;
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
CREATE TABLE event (
	id INTEGER NOT NULL, 
	at VARCHAR(26) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	stage VARCHAR(16) NOT NULL, 
	code VARCHAR(64) NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (id)
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
CREATE TABLE open_study (
	association_id VARCHAR(64) NOT NULL, 
	study_instance_uid VARCHAR(64) NOT NULL, 
	PRIMARY KEY (association_id, study_instance_uid)
);
CREATE TABLE prior_awaited (
	sop_instance_uid VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	until VARCHAR(26) NOT NULL, 
	PRIMARY KEY (sop_instance_uid)
);
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
CREATE TABLE process (
	role VARCHAR(16) NOT NULL, 
	pid INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	words TEXT NOT NULL, 
	started_at VARCHAR(26) NOT NULL, 
	beat_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (role)
);
CREATE TABLE qc_picture (
	revision_id INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	columns INTEGER NOT NULL, 
	grid BLOB NOT NULL, 
	PRIMARY KEY (revision_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
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
CREATE TABLE report_shortfall (
	revision_id INTEGER NOT NULL, 
	codes JSON NOT NULL, 
	PRIMARY KEY (revision_id), 
	FOREIGN KEY(revision_id) REFERENCES study_revision (id)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(2);
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
CREATE TABLE unanswered (
	delivery_id INTEGER NOT NULL, 
	sent_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (delivery_id), 
	FOREIGN KEY(delivery_id) REFERENCES delivery (id)
);
CREATE TABLE urgency (
	study_instance_uid VARCHAR(64) NOT NULL, 
	priority VARCHAR(16) NOT NULL, 
	reasons JSON NOT NULL, 
	raised_at VARCHAR(26) NOT NULL, 
	PRIMARY KEY (study_instance_uid), 
	FOREIGN KEY(study_instance_uid) REFERENCES study (study_instance_uid)
);
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
CREATE INDEX study_by_arrival ON study (last_received_at);
CREATE INDEX event_by_study ON event (study_instance_uid, id);
CREATE INDEX job_order ON job (kind, lane, state, rank_at);
CREATE UNIQUE INDEX job_one_waiting ON job (kind, "key") WHERE state = 'waiting';
CREATE INDEX qc_run_by_start ON qc_run (started_at);
CREATE INDEX instance_by_study ON instance (study_instance_uid);
CREATE INDEX reply_by_revision ON reply (revision_id);
CREATE INDEX delivery_by_state ON delivery (state, destination);
CREATE INDEX commitment_request_by_delivery ON commitment_request (delivery_id);
COMMIT;
