"""The site of runbooks on its host: what is new in it, the archive that carries it, the change that puts it live."""
