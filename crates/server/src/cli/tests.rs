//! The command line as it is typed, and the use cases behind it on a database file of their own.

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
    let cheap = cheap.map(|(name, value)| (name.into(), value.into()));
    let config = Config::load(&arguments.sources(cheap.into()).unwrap()).unwrap();
    match arguments.command.unwrap() {
        Command::Serve { .. } => panic!("not in a test"),
        Command::Migrate { form } => migrate(&config, form),
        Command::User { command } => user::run(&config, command),
        Command::KillSwitch { command } => kill_switch::run(&config, command),
    }
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
fn a_configuration_file_that_was_named_must_be_there() {
    let arguments = typed("--config /no/such/file.toml").unwrap();
    let error = arguments.sources(vec![]).err().unwrap().to_string();
    assert!(error.starts_with("/no/such/file.toml: "), "{error}");
    assert!(default_file(Path::new("/no/such/file.toml")).unwrap().is_none());
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
    assert!(json(folder, "user ban ada")["bannedAt"].is_string());
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
    let config = Config::load(&arguments.sources(vec![]).unwrap()).unwrap();
    let Some(Command::User { command }) = arguments.command else { panic!() };
    assert!(matches!(user::run(&config, command), Err(Failure::DatabaseAway(_))));
}
