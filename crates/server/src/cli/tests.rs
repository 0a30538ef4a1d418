//! The command line as it is typed, and the use cases behind it on a database file of their own.

use std::fs;
use std::path::Path;

use super::*;

fn typed(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(["thunderhead"].into_iter().chain(line.split_whitespace()))
}

/// Runs a line on the database in a directory.
fn done(folder: &Path, line: &str) -> Result<String, Failure> {
    let mut arguments = typed(line).unwrap();
    arguments.settings.data_dir = Some(folder.to_str().unwrap().to_owned());
    arguments.settings.config = Some("/dev/null".into());
    let cheap = [("THUNDERHEAD_HASHING__MEMORY_KIB", "8"), ("THUNDERHEAD_HASHING__PASSES", "1")];
    arguments.run_in(cheap.map(|(name, value)| (name.into(), value.into())).into())
}

fn json(folder: &Path, line: &str) -> serde_json::Value {
    serde_json::from_str(&done(folder, &format!("{line} --json")).unwrap()).unwrap()
}

fn with_ada() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "correct horse battery\n").unwrap();
    let line = format!("user create ada --email ada@example.org --password-file {}", file.display());
    assert!(done(folder.path(), &line).unwrap().starts_with("Made ada ("));
    folder
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn serve_is_what_happens_without_a_command() {
    assert!(typed("").unwrap().command.is_none());
    assert_eq!(typed("--listen 127.0.0.1:1").unwrap().serve.listen.as_deref(), Some("127.0.0.1:1"));
    assert!(matches!(typed("serve --listen 127.0.0.1:1").unwrap().command, Some(Command::Serve { .. })));
}

#[test]
fn settings_may_stand_before_and_after_the_command() {
    for line in ["--data-dir d user list", "user --data-dir d list", "user list --data-dir d"] {
        assert_eq!(typed(line).unwrap().settings.data_dir.as_deref(), Some("d"), "{line}");
    }
}

#[test]
fn a_password_is_no_argument() {
    assert!(typed("user create ada --email a@example.org --password-stdin").is_ok());
    for line in ["user create ada secret --email a@b.example", "user create ada --email a@b.example --password secret"]
    {
        assert!(typed(line).is_err(), "{line}");
    }
    assert!(typed("user create ada --email a@b.example --password-stdin --password-file x").is_err());
}

#[test]
fn a_switch_is_named_or_numbered() {
    for line in ["kill-switch on 4", "kill-switch off ACCOUNT_LOGIN"] {
        assert!(typed(line).is_ok(), "{line}");
    }
    for line in ["kill-switch on 9", "kill-switch on login", "kill-switch on"] {
        assert!(typed(line).is_err(), "{line}");
    }
}

#[test]
fn a_user_is_made_shown_listed_banned_and_promoted() {
    let folder = with_ada();
    let folder = folder.path();
    let ada = json(folder, "user show ADA");
    let id = ada["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 13);
    assert_eq!((&ada["username"], &ada["email"]), (&"ada".into(), &"ada@example.org".into()));
    assert_eq!((&ada["staff"], &ada["bannedAt"], &ada["verifiedAt"]), (&false.into(), &().into(), &().into()));
    assert!(ada["createdAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(json(folder, &format!("user show {id}")), ada);
    let banned = json(folder, "user ban ada --reason spam");
    assert!(banned["bannedAt"].is_string() && banned["sessionsEnded"] == 0, "{banned}");
    assert!(json(folder, &format!("user unban {id}"))["bannedAt"].is_null());
    assert_eq!(json(folder, "user promote ada")["staff"], true);
    assert_eq!(json(folder, "user demote ada")["staff"], false);
    let list = serde_json::json!({ "count": 1, "items": [{ "id": id, "username": "ada" }] });
    assert_eq!(json(folder, "user list"), list);
    assert_eq!(json(folder, "user list --offset 1")["items"], serde_json::json!([]));
    assert_eq!(done(folder, "user list").unwrap(), format!("{id}  ada\n1 of 1"));
    assert!(done(folder, "user show ada").unwrap().contains("email     ada@example.org"));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let folder = with_ada();
    let password = folder.path().join("password");
    let again = format!("user create Ada --email b@example.org --password-file {}", password.display());
    for line in [again.as_str(), "user show nobody", "user ban nobody", "user show 1234567890123", "user show a@b"] {
        assert!(matches!(done(folder.path(), line), Err(Failure::Refused(_))), "{line}");
    }
    fs::write(&password, "short").unwrap();
    let weak = format!("user create bob --email b@example.org --password-file {}", password.display());
    assert!(matches!(done(folder.path(), &weak), Err(Failure::Refused(_))));
    let missing = "user create bob --email b@example.org --password-file /no/such/file";
    assert!(matches!(done(folder.path(), missing), Err(Failure::Usage(_))));
}

#[test]
fn switches_are_turned_and_stay_as_they_were_turned() {
    let folder = with_ada();
    assert_eq!(done(folder.path(), "kill-switch on 4").unwrap(), "ACCOUNT_LOGIN is on.");
    assert_eq!(json(folder.path(), "kill-switch on GLOBAL")["items"][8]["state"], true);
    assert_eq!(json(folder.path(), "kill-switch off 8")["items"][8]["state"], false);
    assert_eq!(json(folder.path(), "kill-switch list")["items"][4]["state"], true);
}

#[test]
fn asking_in_the_wrong_directory_makes_no_database_there() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["user list", "kill-switch list"] {
        assert!(matches!(done(folder.path(), line), Err(Failure::Refused(_))), "{line}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn migrations_are_applied_once() {
    let folder = tempfile::tempdir().unwrap();
    assert!(json(folder.path(), "migrate")["count"].as_u64().unwrap() > 0);
    assert_eq!(json(folder.path(), "migrate"), serde_json::json!({ "count": 0, "items": [] }));
    assert_eq!(done(folder.path(), "migrate").unwrap(), "The schema is up to date.");
}

#[test]
fn a_database_that_is_away_is_told_apart() {
    let arguments = typed("user list --database-url postgres://127.0.0.1:1/x").unwrap();
    assert!(matches!(arguments.run_in(vec![]), Err(Failure::DatabaseAway(_))));
}

#[test]
fn a_password_is_set_and_a_weak_one_is_not() {
    let folder = with_ada();
    let folder = folder.path();
    let file = folder.join("password");
    let line = format!("user set-password ada --password-file {}", file.display());
    assert_eq!(done(folder, &line).unwrap(), "Set the password of ada, and ended no session.");
    let set = json(folder, &line);
    assert_eq!((&set["username"], &set["sessionsEnded"]), (&"ada".into(), &0.into()));
    fs::write(&file, "short").unwrap();
    assert!(matches!(done(folder, &line), Err(Failure::Refused(_))));
    let nobody = "user set-password nobody --password-file /no/such/file";
    assert!(done(folder, nobody).unwrap_err().to_string().contains("no user nobody"));
}

#[test]
fn what_cannot_be_undone_wants_consent() {
    let folder = with_ada();
    let folder = folder.path();
    for line in ["user delete ada", "session end-all", "session end-all --user ada"] {
        // Where the tests run on a terminal they would be asked.
        if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            break;
        }
        assert!(matches!(done(folder, line), Err(Failure::Usage(_))), "{line}");
    }
    assert_eq!(json(folder, "user list")["count"], 1);
    assert_eq!(json(folder, "user delete ada --yes")["username"], "ada");
    assert_eq!(json(folder, "user list")["count"], 0);
    assert!(matches!(done(folder, "user delete ada --yes"), Err(Failure::Refused(_))));
}

#[test]
fn sessions_that_are_not_there_are_neither_shown_nor_ended() {
    let folder = with_ada();
    let folder = folder.path();
    assert_eq!(json(folder, "session list"), serde_json::json!({ "count": 0, "items": [] }));
    assert_eq!(done(folder, "session list --user ada").unwrap(), "0 of 0");
    let uuid = "00000000-0000-4000-8000-000000000000";
    for line in [
        format!("session show {uuid}"),
        format!("session end {uuid}"),
        "session list --user nobody".to_owned(),
        "session end-all --user nobody --yes".to_owned(),
    ] {
        assert!(matches!(done(folder, &line), Err(Failure::Refused(_))), "{line}");
    }
    assert_eq!(json(folder, "session end-all --yes"), serde_json::json!({ "ended": 0 }));
    assert_eq!(done(folder, "session end-all --before 2026-01-31 --yes").unwrap(), "Ended no session.");
    assert_eq!(done(folder, "session end-all --user ada --yes").unwrap(), "Ended no session.");
}

#[test]
fn what_is_typed_wrong_is_refused_before_anything_is_done() {
    for line in [
        "session show x",
        "session end 1700000000",
        "session end-all --before yesterday --yes",
        "session end-all --user ada --before 2026-01-31 --yes",
        "audit list --kind login",
        "audit list --since 2026-02-30",
        "audit list --limit 10001",
        "audit list --offset -1",
        "user delete --yes",
        "user set-password ada --password secret",
        "config show --listen 127.0.0.1:1",
        "completions",
        "completions basic",
    ] {
        assert!(typed(line).is_err(), "{line}");
    }
    let reason = ["thunderhead", "user", "ban", "ada", "--reason", "a\nb"];
    assert!(Arguments::try_parse_from(reason).is_err());
}

#[test]
fn the_command_line_leaves_its_traces_in_the_audit_trail() {
    let folder = with_ada();
    let folder = folder.path();
    let id = json(folder, "user show ada")["id"].as_str().unwrap().to_owned();
    for line in ["user ban ada --reason spam", "user unban ada", "kill-switch on GLOBAL", "user promote ada"] {
        done(folder, line).unwrap();
    }
    let kinds = |line: &str| -> Vec<String> {
        let records = json(folder, line)["items"].as_array().unwrap().clone();
        records.iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["staff-granted", "switch-on", "account-unbanned", "account-banned", "account-created"];
    assert_eq!(kinds("audit list"), all);
    assert_eq!(kinds("audit list --by command-line --limit 2 --offset 1"), all[1..3]);
    assert_eq!(kinds("audit list --user ada"), [all[0], all[2], all[3], all[4]]);
    assert_eq!(kinds("audit list --kind switch-on"), ["switch-on"]);
    for line in ["audit list --by ada", "audit list --by stranger", "audit list --until 2001-01-01"] {
        assert!(kinds(line).is_empty(), "{line}");
    }
    assert!(matches!(done(folder, "audit list --user nobody"), Err(Failure::Refused(_))));
    let ban = &json(folder, "audit list --kind account-banned")["items"][0];
    assert_eq!((&ban["by"], &ban["byName"], &ban["clientIp"]), (&"command-line".into(), &().into(), &().into()));
    assert_eq!((&ban["user"], &ban["username"], &ban["detail"]), (&id.as_str().into(), &"ada".into(), &"spam".into()));
    done(folder, "user delete ada --yes").unwrap();
    let deletion = &json(folder, &format!("audit list --user {id}"))["items"][0];
    assert_eq!((&deletion["kind"], &deletion["username"]), (&"account-deleted".into(), &().into()));
}

#[test]
fn the_settings_are_shown_without_a_database_and_without_secrets() {
    let line = "config show --json --config /dev/null --database-url postgres://ada:s3cret@127.0.0.1:1/x";
    let key = "ab".repeat(32);
    let environment = vec![("THUNDERHEAD_ENCRYPTION_KEY".into(), key.into())];
    let shown = typed(line).unwrap().run_in(environment).unwrap();
    assert!(!shown.contains("s3cret") && !shown.contains("abab"), "{shown}");
    let list: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let of = |key: &str| list["items"].as_array().unwrap().iter().find(|item| item["key"] == key).unwrap().clone();
    assert_eq!(
        of("database_url"),
        serde_json::json!({
            "key": "database_url",
            "variable": "THUNDERHEAD_DATABASE_URL",
            "value": "postgres://ada:…@127.0.0.1:1/x",
            "source": "flag",
            "from": "--database-url",
        })
    );
    assert_eq!(of("encryption_key")["value"], "(secret)");
    assert_eq!(of("encryption_key")["from"], "THUNDERHEAD_ENCRYPTION_KEY");
    assert_eq!(of("encryption_key_file")["value"], serde_json::Value::Null);
    let retention = of("retention.sessions");
    assert_eq!((&retention["value"], &retention["source"]), (&"90d".into(), &"default".into()));
    assert_eq!(retention["variable"], "THUNDERHEAD_RETENTION__SESSIONS");
}
