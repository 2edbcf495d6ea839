"""How the hosts stand, on one screen: asked now, nothing changed."""
