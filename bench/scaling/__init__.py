"""How costs grow: sessions held, messages of a maildrop, maildrops, connections, cores."""
