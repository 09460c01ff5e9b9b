this is {{ no template
