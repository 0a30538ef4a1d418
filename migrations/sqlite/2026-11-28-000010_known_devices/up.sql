-- What users have logged in with: a network (/24, /48; unknown where the address is) and, behind a space, what the client
-- is. A network alone stands for any client in it, for as long as it is known: what was used before devices were told
-- apart is not a new one.
CREATE TABLE known_devices (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    device TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, device)
) STRICT, WITHOUT ROWID;

CREATE INDEX known_devices_oldest ON known_devices (last_at);

INSERT INTO known_devices (user_id, device, last_at) SELECT user_id, network, last_at FROM known_networks;

-- Whether a login was completed with a device that was not known.
ALTER TABLE audit ADD COLUMN new_device INTEGER NOT NULL DEFAULT 0 CHECK (new_device IN (0, 1));
