//! Lists on the command line, of what a running server holds.

use serde_json::{Value, json};

use crate::process::{Connection, Process};

const SETTINGS: [(&str, &str); 3] = [("HASHING__MEMORY_KIB", "8"), ("HASHING__PASSES", "1"), ("LIMITS__LOGIN", "off")];

fn ask(process: &Process, path: &str, body: &Value) {
    let mut connection = Connection::open(process.address).unwrap();
    assert_eq!(connection.ask("POST", path, &body.to_string()).unwrap().status, 201, "{path} {body}");
}

fn json_of(process: &Process, line: &str) -> Value {
    let arguments: Vec<_> = line.split(' ').chain(["--json"]).collect();
    serde_json::from_str(&process.operate(&arguments)).unwrap()
}

/// Whose the listed sessions are, or who they are, by name: what was made within a millisecond has no order to tell.
fn owners(process: &Process, line: &str) -> Vec<String> {
    let list = json_of(process, line);
    let items = list["items"].as_array().unwrap();
    assert_eq!((&list["count"], &list["more"]), (&json!(items.len()), &json!(false)), "{line}");
    let mut names: Vec<_> = items.iter().map(|item| item["username"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn sessions_and_users_are_listed_by_what_is_searched_for() {
    let process = Process::start(&SETTINGS);
    let password = "correct horse battery";
    for name in ["ada", "adam", "grace"] {
        let email = format!("{name}@example.org");
        let account = json!({"username": name, "email": email, "password": password, "confirmPassword": password});
        ask(&process, "/api/register", &account);
    }
    ask(&process, "/api/user/session", &json!({"user": "ada", "pass": password}));
    let grace = json_of(&process, "session list --user grace")["items"][0].clone();
    process.operate(&["session", "end", grace["uuid"].as_str().unwrap()]);
    let made = grace["createdAt"].as_str().unwrap();
    let ada = json_of(&process, "user show ada");
    for (line, expected) in [
        ("session list", vec!["ada", "ada", "adam"]),
        ("session list --state any", vec!["ada", "ada", "adam", "grace"]),
        ("session list --state ended --ip 127.0.0.1", vec!["grace"]),
        ("session list --state expired", vec![]),
        ("session list --user ada --dialect legacy", vec!["ada"]),
        ("session list --user ADA@example.org", vec!["ada", "ada"]),
        (&format!("session list --user {}", ada["uuid"].as_str().unwrap()), vec!["ada", "ada"]),
        ("session list --ip 192.0.2.7 --state any --all", vec![]),
        (&format!("session list --state ended --after {made}"), vec!["grace"]),
        (&format!("session list --state ended --before {made}"), vec![]),
        ("user list --search ad", vec!["ada", "adam"]),
        ("user list --search ADAM --all", vec!["adam"]),
        ("user list --search grace@example.org", vec!["grace"]),
        (&format!("user list --search {}", ada["id"].as_str().unwrap()), vec!["ada"]),
        ("user list --search nobody", vec![]),
    ] {
        assert_eq!(owners(&process, line), expected, "{line}");
    }
    let few = json_of(&process, "session list --limit 2");
    assert_eq!((few["items"].as_array().unwrap().len(), &few["more"]), (2, &json!(true)));
    assert_eq!(json_of(&process, "user list --search ad --limit 1")["more"], true);
    let text = process.operate(&["session", "list", "--all", "--state", "any"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("SESSION ") && text.contains(" ended "), "{text}");
    assert_eq!((lines.len(), lines[5]), (6, "4 of 4"), "{text}");
    let text = process.operate(&["user", "list", "--search", "ad", "--limit", "1"]);
    assert!(
        text.contains(" ada@example.org ") && text.ends_with("1, and there may be more: --limit, --all\n"),
        "{text}"
    );
}
