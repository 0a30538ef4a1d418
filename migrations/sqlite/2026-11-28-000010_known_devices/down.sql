ALTER TABLE audit DROP COLUMN new_device;
DROP TABLE known_devices;
