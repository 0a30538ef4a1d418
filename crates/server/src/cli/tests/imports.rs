//! Accounts from a file, and back into one.

use std::fs;

use serde_json::json;

use super::{done, json, typed, with_ada};
use crate::error::CommandError;

/// Hashes as other programs make them: of bcrypt and Django. The last is too weak.
const LINES: &str = r#"{"username":"grace","email":"grace@example.org","password_hash":"$2b$15$IJ2XNzDKUEn2qQADn6s7nOnjWbBiDwRLrHuG1hoIStrgHA86piIIq","totp":"GEZDGNBVGY3TQOJQ","verified":true}
{"username":"Hedy","email":"hedy@example.org","created":"2020-01-01T00:00:00Z","uuid":"0191f2a4-8b1c-7def-8000-00000000002a"}
no account
{"username":"hedy","email":"other@example.org"}
{"username":"ADA","email":"countess@example.org"}
{"username":"joan","email":"joan@example.org","password_hash":"5f4dcc3b5aa765d61d8327deb882cf99","staff":true}
"#;

#[test]
fn a_file_of_accounts_is_rehearsed_taken_in_once_and_printed_again() {
    let folder = with_ada();
    let file = folder.path().join("accounts.jsonl");
    fs::write(&file, LINES).unwrap();
    let line = format!("import users {}", file.display());

    let rehearsed = json(folder.path(), &format!("{line} --dry-run"));
    let counts = |report: &serde_json::Value| {
        ["created", "known", "leftOut", "factors"].map(|name| report[name].as_u64().unwrap())
    };
    assert_eq!((counts(&rehearsed), &rehearsed["dryRun"]), ([2, 0, 4, 1], &json!(true)));
    // Of the hash that is refused: what those lack who are left out is nobody's concern.
    assert_eq!(rehearsed["remarks"], 1);
    assert!(done(folder.path(), "user show grace").is_err());

    assert_eq!(counts(&json(folder.path(), &line)), [2, 0, 4, 1]);
    let has_password = |name: &str| json(folder.path(), &format!("user show {name}"))["hasPassword"].clone();
    // A hash that is refused is no password.
    assert_eq!([has_password("grace"), has_password("joan")], [true, false]);
    let again = json(folder.path(), &line);
    assert_eq!((counts(&again), &again["remarks"]), ([0, 2, 4, 0], &json!(0)));
    // With names of their own, those come too whose names are others'.
    assert_eq!(counts(&json(folder.path(), &format!("{line} --rename"))), [3, 2, 1, 0]);
    let renamed = json(folder.path(), "user list --limit 100");
    let names: Vec<&str> =
        renamed["items"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap()).collect();
    for name in ["grace", "joan", "ada"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(has_password("Hedy"), false);
    assert!(json(folder.path(), "audit list --kind import-finished")["count"] == 2);
}

#[test]
fn what_is_wrong_with_an_import_is_told_before_anything_is_read() {
    let folder = with_ada();
    let no_url = done(folder.path(), "import reference --from mysql://root:secret@host/db").unwrap_err();
    assert!(matches!(no_url, CommandError::Usage(_)) && !no_url.to_string().contains("secret"), "{no_url}");
    let away = done(folder.path(), "import reference --from postgres://ada:secret@127.0.0.1:1/db").unwrap_err();
    assert!(matches!(away, CommandError::DatabaseAway(_)) && !away.to_string().contains("secret"), "{away}");
    assert!(done(folder.path(), "import reference --from sqlite://some.db").is_err());
    assert!(done(folder.path(), "import users no-such-file").is_err());
    assert!(typed("import reference --from postgres:///x --issuer x").is_err());
    assert!(!format!("{:?}", typed("import reference --from postgres://ada:secret@x/y").unwrap()).contains("secret"));
}
