"""What the operating system does for us: whole files, a late Ctrl-C, a sealed network."""
