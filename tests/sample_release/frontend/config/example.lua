-- The keys that the real one has, and that the stand-in reads.
config.absolute_base_url = "http://localhost:8080/"
config.instance_name = "Example"
config.app_service_provider = "Example<br>Street 1"
config.database = { engine = "postgresql", dbname = "liquid_feedback" }
config.public_access = "none"
config.mail_subject_prefix = "[Example] "
config.mail_envelope_from = "liquid@example.invalid"
config.mail_from = { name = "Example", address = "liquid@example.invalid" }
config.fork = { pre = 2, min = 4, max = 16 }
