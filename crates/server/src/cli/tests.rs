//! The command line as it is typed, and the use cases behind it on a database file of their own.

mod backups;
mod imports;
mod policy;
mod webhooks;

use std::fs;
use std::path::Path;

use thunderhead_domain::audit::AuditKind;
use thunderhead_domain::switch::KillSwitch;

use super::*;

fn typed(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(["thunderhead"].into_iter().chain(line.split_whitespace()))
}

/// Runs a line on the database in a directory.
fn done(folder: &Path, line: &str) -> Result<String, CommandError> {
    done_at_cost(folder, line, "8")
}

/// The same where hashing takes so many KiB.
fn done_at_cost(folder: &Path, line: &str, memory: &str) -> Result<String, CommandError> {
    let mut arguments = typed(line).unwrap();
    arguments.settings.data_dir = Some(folder.to_str().unwrap().to_owned());
    arguments.settings.config = Some("/dev/null".into());
    let cheap = [("THUNDERHEAD_HASHING__MEMORY_KIB", memory), ("THUNDERHEAD_HASHING__PASSES", "1")];
    let mut listed = Vec::new();
    let last = arguments.run_in(cheap.map(|(name, value)| (name.into(), value.into())).into(), &mut listed)?;
    Ok(String::from_utf8(listed).unwrap() + &last)
}

fn json(folder: &Path, line: &str) -> serde_json::Value {
    serde_json::from_str(&done(folder, &format!("{line} --json")).unwrap()).unwrap()
}

fn with_ada() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "correct horse battery\n").unwrap();
    done(folder.path(), "migrate").unwrap();
    let line = format!("user create ada --email ada@example.org --password-file {}", file.display());
    assert!(done(folder.path(), &line).unwrap().starts_with("Made ada ("));
    folder
}

#[test]
fn migrations_are_taken_back_to_one_that_is_there_and_run_again() {
    let folder = with_ada();
    let folder = folder.path();
    let url = thunderhead_storage::DatabaseUrl::sqlite(folder.join("thunderhead.db"));
    let first = "20261128000001";
    let unknown = done(folder, "migrate --back-to 20000101000001 --yes").unwrap_err().to_string();
    assert!(unknown.contains("has no migration 20000101000001"), "{unknown}");
    let in_use = thunderhead_storage::DatabaseLock::share(&url).unwrap();
    let refused = done(folder, &format!("migrate --back-to {first} --yes")).unwrap_err().to_string();
    assert!(refused.contains("stop the server first"), "{refused}");
    drop(in_use);
    assert_eq!(json(folder, "user list")["count"], 1);
    let taken_back = json(folder, &format!("migrate --back-to {first} --yes"));
    let names = taken_back["items"].as_array().unwrap();
    assert!(names.len() > 10 && names.is_sorted_by_key(|name| std::cmp::Reverse(name.as_str())), "{taken_back}");
    assert!(done(folder, "user list").unwrap_err().to_string().contains("thunderhead migrate"));
    let latest = format!("migrate --back-to {first} --yes");
    assert_eq!(done(folder, &latest).unwrap(), format!("{first} is the latest migration."));
    assert_eq!(json(folder, "migrate")["items"].as_array().unwrap().len(), names.len());
    assert_eq!(json(folder, "user list")["count"], 1);
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
    for (switch, name) in KillSwitch::TABLE {
        for line in [format!("kill-switch on {name}"), format!("kill-switch off {}", switch.id())] {
            let Some(Command::KillSwitch { command }) = typed(&line).unwrap().command else { panic!("{line}") };
            assert!(format!("{command:?}").contains(&format!("{switch:?}")), "{line}: {command:?}");
        }
    }
    let unknown = format!("kill-switch on {}", KillSwitch::TABLE.len());
    for line in [&*unknown, "kill-switch on login", "kill-switch on"] {
        assert!(typed(line).is_err(), "{line}");
    }
}

#[test]
fn where_one_of_some_words_is_refused_all_are_listed() {
    let switches = KillSwitch::TABLE.map(|(_, name)| name).join(", ");
    let kinds = AuditKind::TABLE.map(|(_, name)| name).join(", ");
    let unknown = format!("kill-switch off {}", KillSwitch::TABLE.len());
    for (line, words) in [
        ("kill-switch on login", switches.as_str()),
        (&unknown, &switches),
        ("audit list --kind login", &kinds),
        ("completions basic", "bash, elvish, fish, powershell, zsh"),
    ] {
        let refusal = typed(line).unwrap_err().to_string();
        assert!(refusal.contains(&format!("[possible values: {words}]")), "{line}: {refusal}");
    }
}

#[test]
fn a_commands_own_options_stand_apart_from_those_of_every_command() {
    let help = |line: &str| typed(&format!("{line} --help")).unwrap_err().to_string();
    for line in ["", "user list", "session end-all", "migrate"] {
        let help = help(line);
        let (own, global) = help.split_once("Global options:").unwrap();
        for flag in ["--config", "--data-dir", "--database-url"] {
            assert!(global.contains(flag) && !own.contains(flag), "{line}: {flag}: {help}");
        }
        assert!(own.contains("--help"), "{line}: {help}");
    }
    assert!(help("user list").contains("--limit"));
}

#[test]
fn the_help_tells_the_exit_codes_and_the_documents_too() {
    let help = typed("--help").unwrap_err().to_string();
    let documented = include_str!("../../../../docs/OPERATIONS.md");
    let rows = documented.lines().skip_while(|line| *line != "| code | |").skip(2);
    assert_eq!(rows.take_while(|line| line.starts_with('|')).count(), EXIT_CODES.lines().count() - 1);
    for (code, meaning) in EXIT_CODES.lines().skip(1).map(|line| line.trim().split_once("  ").unwrap()) {
        assert!(help.contains(&format!("  {code}  {meaning}")), "{help}");
        assert!(documented.contains(&format!("| {code} | {meaning}")), "docs/OPERATIONS.md: {code}");
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
    let ada = json(folder, "user show ada");
    assert_eq!(json(folder, "user list"), serde_json::json!({ "count": 1, "items": [ada] }));
    assert_eq!(json(folder, "user list --offset 1")["items"], serde_json::json!([]));
    assert!(done(folder, "user show ada").unwrap().contains("email     ada@example.org"));
}

#[test]
fn a_link_is_printed_for_a_user_who_is_there_and_for_one_who_is_made() {
    let folder = with_ada();
    let folder = folder.path();
    let is_link = |link: &str| {
        let secret = link.strip_prefix("http://localhost:8000/link/thk_");
        assert_eq!(secret.map(str::len), Some(43), "{link}");
    };
    let made = json(folder, "user link ada");
    assert_eq!((&made["username"], made["linkExpiresAt"].as_str().map(str::len)), (&"ada".into(), Some(24)));
    is_link(made["link"].as_str().unwrap());
    let plain = done(folder, "user link ADA@example.org").unwrap();
    assert!(plain.starts_with("A link by which ada sets a password. Good once, until "), "{plain}");
    is_link(plain.lines().last().unwrap());

    let made = json(folder, "user create grace --email grace@example.org --staff --link");
    assert_eq!((&made["username"], &made["staff"]), (&"grace".into(), &true.into()));
    assert_eq!(
        ["ada", "grace"].map(|name| json(folder, &format!("user show {name}"))["hasPassword"].clone()),
        [true, false]
    );
    is_link(made["link"].as_str().unwrap());
    let plain = done(folder, "user create bob --email bob@example.org --link").unwrap();
    assert!(plain.starts_with("Made bob ("), "{plain}");
    is_link(plain.lines().last().unwrap());
    let records = json(folder, "audit list --kind link-made");
    assert_eq!((&records["count"], &records["items"][0]["by"]), (&4.into(), &"command-line".into()));

    let nobody = done(folder, "user link nobody").unwrap_err();
    assert!(nobody.to_string().contains("there is no user nobody"), "{nobody}");
    let taken = done(folder, "user create Ada --email other@example.org --link").unwrap_err();
    assert!(taken.to_string().contains("is taken"), "{taken}");
    assert!(typed("user create eve --email eve@example.org --link --password-stdin").is_err());
}

#[test]
fn a_list_of_users_tells_address_state_and_factor() {
    let folder = with_ada();
    let folder = folder.path();
    let id = json(folder, "user show ada")["id"].as_str().unwrap().to_owned();
    let expected = |state: &str, staff: &str| {
        let cells = ["ID", "NAME", "ADDRESS", "STATE", "STAFF", "FACTOR", "PASSWORD"].map(str::to_owned);
        let row = [id.as_str(), "ada", "ada@example.org", state, staff, "-", "yes"].map(str::to_owned);
        format!("{}\n1 of 1", form::columns(vec![cells, row]))
    };
    assert_eq!(done(folder, "user list").unwrap(), expected("active", "-"));
    assert_eq!(done(folder, "user verify ada").unwrap(), "The address of ada is verified.");
    done(folder, "user promote ada").unwrap();
    assert_eq!(done(folder, "user list").unwrap(), expected("verified", "yes"));
    done(folder, "user ban ada").unwrap();
    assert_eq!(done(folder, "user list").unwrap(), expected("banned", "yes"));
    assert!(json(folder, "user unverify ada")["verifiedAt"].is_null());
    assert_eq!(json(folder, "audit list --kind account-verified")["count"], 1);
    assert_eq!(json(folder, "audit list --kind account-unverified")["count"], 1);
}

#[test]
fn users_are_counted_by_how_their_passwords_are_hashed() {
    let folder = with_ada();
    let folder = folder.path();
    let line = "user list --hash-format";
    let current = serde_json::json!({ "format": "argon2id", "outdated": false, "users": 1 });
    assert_eq!(json(folder, line), serde_json::json!({ "count": 1, "items": [current] }));
    assert_eq!(done(folder, line).unwrap(), "argon2id    current   1\n0 left to be made anew");
    let told = done_at_cost(folder, line, "16").unwrap();
    assert_eq!(told, "argon2id    outdated  1\n1 left to be made anew");
    assert!(typed("user list --hash-format --limit 5").is_err());
}

#[test]
fn wherever_a_user_is_named_the_address_will_do() {
    let folder = with_ada();
    let folder = folder.path();
    let password = folder.join("password");
    let set_password = format!("user set-password ada@example.org --password-file {}", password.display());
    for line in [
        "user show Ada@Example.org",
        "user ban ada@example.org",
        "user unban ada@example.org",
        "user verify ada@example.org",
        "user unverify ada@example.org",
        "user promote ada@example.org",
        "user demote ada@example.org",
        set_password.as_str(),
        "user factors list ada@example.org",
        "user factors reset ada@example.org --yes",
        "session list --user ada@example.org",
        "session end-all --user ada@example.org --yes",
        "audit list --user ada@example.org",
        "audit list --by ada@example.org",
        "user delete ada@example.org --yes",
    ] {
        done(folder, line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    assert_eq!(json(folder, "user list")["count"], 0);
}

#[test]
fn a_refused_password_hears_which_rule_it_breaks() {
    let folder = with_ada();
    let folder = folder.path();
    let file = folder.join("password");
    let line = format!("user set-password ada --password-file {}", file.display());
    let long = "x9Fq".repeat(257);
    for (password, rule) in [
        ("short", "too short"),
        (long.as_str(), "too long"),
        ("password", "too common"),
        ("ada@example.org", "own name or address"),
    ] {
        fs::write(&file, password).unwrap();
        let error = done(folder, &line).unwrap_err();
        assert!(matches!(error, CommandError::Refused(_)) && error.to_string().contains(rule), "{error}");
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let folder = with_ada();
    let password = folder.path().join("password");
    let again = format!("user create Ada --email b@example.org --password-file {}", password.display());
    for line in [again.as_str(), "user show nobody", "user ban nobody", "user show 1234567890123", "user show a@b"] {
        assert!(matches!(done(folder.path(), line), Err(CommandError::Refused(_))), "{line}");
    }
    fs::write(&password, "short").unwrap();
    let weak = format!("user create bob --email b@example.org --password-file {}", password.display());
    assert!(matches!(done(folder.path(), &weak), Err(CommandError::Refused(_))));
    let missing = "user create bob --email b@example.org --password-file /no/such/file";
    assert!(matches!(done(folder.path(), missing), Err(CommandError::Usage(_))));
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
    let password = folder.path().join("password");
    let create = format!("user create ada --email ada@example.org --password-file {}", password.display());
    for line in ["user list", "kill-switch list", "key rotate", "session end-all --yes", "backup x.db", &create] {
        let error = done(folder.path(), line).unwrap_err();
        assert!(matches!(error, CommandError::Refused(_)), "{line}");
        let told = error.to_string();
        for part in ["thunderhead.db: `thunderhead serve` and `thunderhead migrate` make one", "`--data-dir`"] {
            assert!(told.contains(part), "{line}: {told}");
        }
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
    assert!(matches!(arguments.run_in(vec![], &mut Vec::new()), Err(CommandError::DatabaseAway(_))));
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
    assert!(matches!(done(folder, &line), Err(CommandError::Refused(_))));
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
        assert!(matches!(done(folder, line), Err(CommandError::Usage(_))), "{line}");
    }
    assert_eq!(json(folder, "user list")["count"], 1);
    assert_eq!(json(folder, "user delete ada --yes")["username"], "ada");
    assert_eq!(json(folder, "user list")["count"], 0);
    assert!(matches!(done(folder, "user delete ada --yes"), Err(CommandError::Refused(_))));
}

#[test]
fn sessions_that_are_not_there_are_neither_shown_nor_ended() {
    let folder = with_ada();
    let folder = folder.path();
    assert_eq!(json(folder, "session list"), serde_json::json!({ "items": [], "count": 0, "more": false }));
    assert_eq!(done(folder, "session list --user ada --state any").unwrap(), "0 of 0");
    let uuid = "00000000-0000-4000-8000-000000000000";
    for line in [
        format!("session show {uuid}"),
        format!("session end {uuid}"),
        "session list --user nobody".to_owned(),
        "session end-all --user nobody --yes".to_owned(),
    ] {
        assert!(matches!(done(folder, &line), Err(CommandError::Refused(_))), "{line}");
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
        "session list --ip 192.0.2.0/24",
        "session list --state idle",
        "session list --dialect Kratos",
        "session list --before yesterday",
        "session list --all --limit 7",
        "user list --all",
        "user list --search a --offset 7",
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
    assert!(matches!(done(folder, "audit list --user nobody"), Err(CommandError::Refused(_))));
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
    let shown = typed(line).unwrap().run_in(environment, &mut Vec::new()).unwrap();
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
