"""Orders and identity in: what a RIS or ADT system says of orders, patients and finished reports, and what it means here."""
