//! Backups as the operator makes and restores them, without a server.

use std::path::PathBuf;

use serde_json::json;
use thunderhead_domain::ports::{AccountName, ChangeCursor};
use thunderhead_domain::user::{PasswordHash, Username};
use thunderhead_storage::{DatabaseUrl, StorageSettings, connect, revert};

use super::*;

/// Ada's database with a signing key, and so an encryption key that belongs to it.
fn used() -> tempfile::TempDir {
    let folder = with_ada();
    done(folder.path(), "key rotate").unwrap();
    folder
}

fn backup_of(folder: &Path) -> PathBuf {
    let file = folder.join("backup.db");
    done(folder, &format!("backup {}", file.display())).unwrap();
    file
}

/// An empty folder with the key of another.
fn elsewhere(folder: &Path) -> tempfile::TempDir {
    let other = tempfile::tempdir().unwrap();
    fs::copy(folder.join("encryption.key"), other.path().join("encryption.key")).unwrap();
    other
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// As a login does when hashing costs more than it did.
fn renew_hash(folder: &Path, name: &str) {
    let storage = connect(&StorageSettings::new(DatabaseUrl::sqlite(folder.join("thunderhead.db")))).unwrap();
    let name = AccountName::Username(Username::try_from(name.to_owned()).unwrap());
    let renewed = async {
        let (user, credential) = storage.account_credential(name).await.unwrap().unwrap();
        let hash = PasswordHash::new(credential.password.expose().replace("m=8,", "m=16,").replace('A', "B"));
        assert_ne!(hash, credential.password);
        storage.account_rehash(user.id, credential.version, hash).await.unwrap();
        Ok(())
    };
    block_on(renewed).unwrap();
}

fn refused(folder: &Path, line: &str) -> String {
    match done(folder, line) {
        Err(CommandError::Refused(error) | CommandError::Usage(error)) => format!("{error:#}"),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_backup_names_its_key_and_replaces_nothing_unless_told() {
    let folder = used();
    let folder = folder.path();
    let file = folder.join("backup.db");
    let line = format!("backup {}", file.display());
    let told = done(folder, &line).unwrap();
    let key = folder.join("encryption.key");
    assert!(told.contains("users 1") && told.contains(&format!("{} belongs to it", key.display())), "{told}");
    assert!(refused(folder, &line).contains("--overwrite"));
    assert_eq!(json(folder, &format!("{line} --overwrite"))["users"], 1);
    for part in ["thunderhead.db", "thunderhead.db-wal", "thunderhead.db-lock"] {
        let own = format!("backup {} --overwrite", folder.join(part).display());
        assert!(refused(folder, &own).contains("belongs to the database itself"), "{part}");
    }
    assert!(refused(folder, &format!("backup {}", folder.display())).contains("is a folder"));
    assert!(files(folder).iter().all(|name| !name.starts_with('.')), "{:?}", files(folder));
}

#[test]
fn nothing_but_an_older_backup_is_overwritten() {
    let folder = used();
    let folder = folder.path();
    let backup = backup_of(folder);
    let key = folder.join("encryption.key");
    let other = elsewhere(folder);
    let at = |name: &str| other.path().join(name);
    done(other.path(), &format!("restore {}", backup.display())).unwrap();
    fs::hard_link(&key, folder.join("key.db")).unwrap();
    fs::hard_link(folder.join("thunderhead.db"), folder.join("hard.db")).unwrap();
    std::os::unix::fs::symlink(&backup, folder.join("link.db")).unwrap();
    fs::write(at("notes.txt"), "of no program").unwrap();
    fs::write(at("empty"), "").unwrap();
    std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for (file, why) in [
        (key.clone(), "is the encryption key"),
        (folder.join("key.db"), "is the encryption key"),
        (folder.join("hard.db"), "is the database"),
        (folder.join("link.db"), "is a symbolic link to"),
        (at("thunderhead.db"), "thunderhead.db-lock is beside it"),
        (at("thunderhead.db-wal"), "would belong to"),
        (at("thunderhead.db-lock"), "would belong to"),
        (at("notes.txt"), "is not known to be a backup"),
        (at("empty"), "is not known to be a backup"),
        (at("socket"), "is no ordinary file"),
    ] {
        let (before, names) = (fs::read(&file).ok(), files(folder));
        let told = refused(folder, &format!("backup {} --overwrite", file.display()));
        assert!(told.contains(why), "{}: {told}", file.display());
        assert!(fs::read(&file).ok() == before && files(folder) == names, "{}", file.display());
    }
    done(folder, &format!("backup {} --overwrite", backup.display())).unwrap();
}

#[test]
fn files_that_the_settings_name_are_not_overwritten() {
    let folder = used();
    let path = |name: &str| folder.path().join(name);
    fs::rename(path("encryption.key"), path("my.key")).unwrap();
    let settings =
        format!("data_dir = '{}'\nencryption_key_file = '{}'\n", path("").display(), path("my.key").display());
    fs::write(path("x.toml"), settings).unwrap();
    let run = |file: &str| {
        let line = format!("backup {} --overwrite --config {}", path(file).display(), path("x.toml").display());
        typed(&line).unwrap().run_in(vec![], &mut Vec::new())
    };
    for (file, what) in [("my.key", "is the encryption key"), ("x.toml", "is the settings file")] {
        let before = fs::read(path(file)).unwrap();
        let told = run(file).unwrap_err();
        assert!(matches!(&told, CommandError::Usage(_)) && told.to_string().contains(what), "{told}");
        assert_eq!(fs::read(path(file)).unwrap(), before);
    }
    run("backup.db").unwrap();
}

#[test]
fn a_backup_is_restored_where_its_key_is_and_nowhere_else() {
    let folder = used();
    let file = backup_of(folder.path());
    let line = format!("restore {}", file.display());
    let without_key = tempfile::tempdir().unwrap();
    assert!(refused(without_key.path(), &line).contains("there is no encryption key file"));
    assert!(files(without_key.path()).is_empty());
    let other_key = tempfile::tempdir().unwrap();
    fs::write(other_key.path().join("encryption.key"), "ab".repeat(32)).unwrap();
    assert!(refused(other_key.path(), &line).contains("was not made with the encryption key in"));
    assert_eq!(files(other_key.path()), ["encryption.key"]);
    let other = elsewhere(folder.path());
    assert!(done(other.path(), &line).unwrap().contains("users 1"));
    assert_eq!(json(other.path(), "user show ada"), json(folder.path(), "user show ada"));
    assert_eq!(json(other.path(), "audit list --kind database-restored")["count"], 1);
}

#[test]
fn what_a_restoration_brings_back_is_listed() {
    let folder = used();
    let folder = folder.path();
    done(folder, "kill-switch on 4").unwrap();
    done(folder, "user promote ada").unwrap();
    done(folder, "user ban ada").unwrap();
    let password = folder.join("password");
    done(folder, &format!("user create eve --email e@example.org --password-file {}", password.display())).unwrap();
    let line = format!("restore {}", backup_of(folder).display());
    done(folder, "kill-switch off 4").unwrap();
    done(folder, "user demote ada").unwrap();
    done(folder, "user unban ada").unwrap();
    done(folder, "user verify eve").unwrap();
    renew_hash(folder, "eve");
    fs::write(&password, "another horse battery").unwrap();
    done(folder, &format!("user set-password ada --password-file {}", password.display())).unwrap();
    done(folder, &format!("user create bob --email b@example.org --password-file {}", password.display())).unwrap();
    done(folder, "service create uploads").unwrap();
    let restored = json(folder, &format!("{line} --yes"));
    let changed = |what: &str| {
        let changed = restored["changed"].as_array().unwrap();
        changed.iter().find(|difference| difference["what"] == what).map(|found| found["names"].clone())
    };
    for (what, names) in [
        ("bans-back", json!(["ada"])),
        ("staff-back", json!(["ada"])),
        ("passwords-back", json!(["ada"])),
        ("verifications-gone", json!(["eve"])),
        ("accounts-gone", json!(["bob"])),
        ("switches-on", json!(["ACCOUNT_LOGIN"])),
        ("services-gone", json!(["uploads"])),
    ] {
        assert_eq!(changed(what), Some(names), "{what}: {restored}");
    }
    assert_eq!(changed("bans-gone"), None);
    assert!(json(folder, "user show ada")["bannedAt"].is_string());
    let aside = restored["putAside"].as_str().unwrap();
    let told = done(folder, &format!("restore {aside} --yes")).unwrap();
    assert!(told.contains("kill switches off again: 1 (ACCOUNT_LOGIN)"), "{told}");
    assert_eq!(json(folder, "user show bob")["username"], "bob");
}

#[test]
fn a_database_that_cannot_be_compared_is_put_aside_all_the_same() {
    let folder = used();
    let folder = folder.path();
    let line = format!("restore {} --yes", backup_of(folder).display());
    fs::write(folder.join("thunderhead.db"), "ruins").unwrap();
    fs::write(folder.join("thunderhead.db-wal"), "ruins").unwrap();
    let told = done(folder, &line).unwrap();
    assert!(told.contains("cannot be compared") && told.contains("bans that were lifted since"), "{told}");
    assert_eq!(json(folder, "user list")["count"], 1);
    let aside = files(folder).into_iter().filter(|name| name.contains("-before-") && !name.ends_with("-shm"));
    let texts: Vec<_> = aside.map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect();
    assert_eq!(texts, ["ruins", "ruins"]);
}

#[test]
fn what_replicas_remember_does_not_hold_after_a_restoration() {
    let folder = used();
    let file = backup_of(folder.path());
    let latest = |folder: &Path| {
        let url = DatabaseUrl::sqlite(folder.join("thunderhead.db"));
        let storage = connect(&StorageSettings::new(url)).unwrap();
        block_on(async { Ok(storage.changes_since(&ChangeCursor::default()).await.unwrap().latest) }).unwrap()
    };
    let before = latest(folder.path());
    let marks = [(); 2].map(|()| {
        let other = elsewhere(folder.path());
        done(other.path(), &format!("restore {} --keep-sessions", file.display())).unwrap();
        latest(other.path())
    });
    assert!(marks[0] != before && marks[1] != before && marks[0] != marks[1]);
}

#[test]
fn what_is_no_backup_is_refused_and_nothing_is_made() {
    let folder = used();
    let folder = folder.path();
    let other = elsewhere(folder);
    let file = other.path().join("file");
    let line = format!("restore {}", file.display());
    assert!(refused(other.path(), &line).contains("there is no database file"));
    let whole = fs::read(backup_of(folder)).unwrap();
    for bytes in [&b""[..], b"a text", &whole[..whole.len() / 2]] {
        fs::write(&file, bytes).unwrap();
        refused(other.path(), &line);
    }
    let mut garbled = whole.clone();
    // The second and third page; in the middle there may be free ones, which nobody reads.
    garbled[4_096..12_288].fill(0x5a);
    fs::write(&file, garbled).unwrap();
    refused(other.path(), &line);
    assert!(
        files(other.path())
            .iter()
            .all(|name| ["encryption.key", "file", "thunderhead.db-lock"].contains(&name.as_str()))
    );
    let own = folder.join("thunderhead.db");
    assert!(refused(folder, &format!("restore {}", own.display())).contains("is the database itself"));
}

#[test]
fn a_backup_of_an_older_schema_is_brought_up_to_date() {
    let folder = used();
    let file = backup_of(folder.path());
    revert(&DatabaseUrl::sqlite(&file)).unwrap();
    let other = elsewhere(folder.path());
    let line = format!("restore {}", file.display());
    let told = refused(other.path(), &format!("{line} --yes"));
    assert!(told.contains("thunderhead.db-wal") && told.contains("--empty"), "{told}");
    let restored = json(other.path(), &format!("{line} --empty"));
    assert!(!restored["migrationsApplied"].as_array().unwrap().is_empty(), "{restored}");
    assert_eq!(json(other.path(), "user list")["count"], 0);
}

#[test]
fn a_copy_without_its_log_is_not_taken_for_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "migrate").unwrap();
    let copy = folder.join("copy.db");
    fs::copy(folder.join("thunderhead.db"), &copy).unwrap();
    let with_ada = with_ada();
    let told = refused(with_ada.path(), &format!("restore {} --yes", copy.display()));
    assert!(told.contains("without the thunderhead.db-wal") || told.contains("no encryption key"), "{told}");
    fs::write(with_ada.path().join("encryption.key"), "ab".repeat(32)).unwrap();
    let told = refused(with_ada.path(), &format!("restore {} --yes", copy.display()));
    assert!(told.contains("without the thunderhead.db-wal"), "{told}");
    assert_eq!(json(with_ada.path(), "user list")["count"], 1);
    let told = done(with_ada.path(), &format!("restore {} --yes --empty", copy.display())).unwrap();
    assert!(told.contains("users 0") && told.contains("no live session"), "{told}");
}

#[test]
fn a_database_of_an_older_schema_is_compared_all_the_same() {
    let folder = used();
    let folder = folder.path();
    let line = format!("restore {} --yes", backup_of(folder).display());
    revert(&DatabaseUrl::sqlite(folder.join("thunderhead.db"))).unwrap();
    let restored = json(folder, &line);
    let back = restored["changed"].as_array().and_then(|all| all.iter().find(|one| one["what"] == "accounts-back"));
    assert_eq!(back.map(|found| found["names"].clone()), Some(json!(["ada"])), "{restored}");
    assert!(files(folder).iter().all(|name| !name.starts_with('.')), "{:?}", files(folder));
}

#[test]
fn a_damaged_backup_is_named_by_its_own_name() {
    let folder = used();
    let folder = folder.path();
    let file = backup_of(folder);
    let whole = fs::read(&file).unwrap();
    // The heads of pages of tables, one at a time: some are found with the first look, some in the copy.
    for page in [1, 2, 3, 5, 8, 13, 21, 34] {
        let mut bytes = whole.clone();
        bytes[page * 4_096..][..64].fill(0x5a);
        fs::write(&file, bytes).unwrap();
        if let Err(error) = done(folder, &format!("restore {} --yes", file.display())) {
            let told = error.to_string();
            assert!(told.contains("backup.db") && !told.contains(".restore-"), "{page}: {told}");
            assert!(!told.contains("`thunderhead restore`"), "{page}: {told}");
        }
    }
}

#[test]
fn postgres_is_backed_up_by_its_own_programs() {
    for (line, told) in
        [("backup x.db", "pg_dump "), ("restore x.db", "pg_restore "), ("restore x.db", "session end-all --before")]
    {
        let arguments = typed(&format!("{line} --database-url postgres://127.0.0.1:1/x")).unwrap();
        let error = arguments.run_in(vec![], &mut Vec::new()).unwrap_err();
        assert!(matches!(&error, CommandError::OtherProgram(_)) && error.to_string().contains(told), "{error}");
    }
}
