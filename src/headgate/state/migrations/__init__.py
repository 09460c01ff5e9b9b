"""Numbered changes of the state database. Each file says in one sentence what it does; none is edited once released."""
