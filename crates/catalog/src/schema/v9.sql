-- Tokens with which several clients may join, and what those are to back up that are installed with one.

ALTER TABLE tokens ADD COLUMN max_uses INTEGER NOT NULL DEFAULT 1 CHECK (max_uses > 0);
ALTER TABLE tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0);
ALTER TABLE tokens ADD COLUMN sources TEXT NOT NULL DEFAULT '';

UPDATE tokens SET uses = 1 WHERE used_ms IS NOT NULL;
