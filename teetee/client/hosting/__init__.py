"""A host's side: enrolment, renewal, earnings."""
