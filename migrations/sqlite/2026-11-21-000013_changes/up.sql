-- What was taken from or given to sessions, numbered without gaps in the order of commits: whoever numbers a change
-- holds this row until the end of the transaction.
CREATE TABLE change_counter (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO change_counter (id, number) VALUES (1, 0);

-- The latest changes; older ones are deleted as new ones come.
CREATE TABLE changes (
    number INTEGER NOT NULL PRIMARY KEY,
    -- user, switches or everything
    invalidation TEXT NOT NULL,
    -- No reference: the user may be gone, which is the change.
    user_id INTEGER
) STRICT;

INSERT INTO changes (number, invalidation) VALUES (0, 'everything');
