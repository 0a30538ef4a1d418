//! Endpoints of webhooks, on the command line.

use std::net::TcpListener;

use super::*;

fn refused(folder: &Path, line: &str) -> String {
    match done(folder, line) {
        Err(CommandError::Refused(error)) => format!("{error:#}"),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn an_endpoint_is_added_listed_given_another_secret_resumed_and_removed() {
    let folder = with_ada();
    let folder = folder.path();
    // The server makes the key at its first start.
    fs::write(folder.join("encryption.key"), "01".repeat(32)).unwrap();
    assert_eq!(json(folder, "webhook list"), serde_json::json!({ "count": 0, "items": [] }));
    let secret = done(folder, "webhook add shop https://hooks.example/in --types session.*,user.banned").unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let added = json(folder, "webhook add other http://localhost:9/in --with-personal");
    assert_eq!(added["name"], "other");
    assert!(added["secret"].as_str().unwrap().starts_with("whsec_") && added.get("previousUntil").is_none());
    let listed = json(folder, "webhook list");
    let [other, shop] = [&listed["items"][0], &listed["items"][1]];
    assert_eq!((&other["types"], &other["withPersonal"]), (&"*".into(), &true.into()));
    assert_eq!((&shop["url"], &shop["withPersonal"]), (&"https://hooks.example/in".into(), &false.into()));
    assert!(shop["types"].as_str().unwrap().starts_with("session.created,") && shop["state"] == "delivering");
    let rotated = json(folder, "webhook rotate shop");
    assert!(rotated["previousUntil"].is_string() && rotated["secret"] != secret);
    assert!(done(folder, "webhook list").unwrap().contains("the secret before signs as well until"));
    assert_eq!(done(folder, "webhook resend shop").unwrap(), "shop was waiting for nothing.");
    assert_eq!(json(folder, "webhook resend shop")["resumed"], true);
    assert_eq!(done(folder, "webhook remove shop").unwrap(), "Removed shop.");
    assert_eq!(json(folder, "webhook remove other")["removed"], true);
    for command in ["remove", "rotate", "resend", "test"] {
        assert_eq!(refused(folder, &format!("webhook {command} shop")), "there is no webhook shop");
    }
}

#[test]
fn what_cannot_be_an_endpoint_is_refused_and_a_type_that_there_is_not_is_a_mistake() {
    let folder = with_ada();
    let folder = folder.path();
    fs::write(folder.join("encryption.key"), "01".repeat(32)).unwrap();
    for (url, why) in [
        ("http://hooks.example/", "http is for this machine alone"),
        ("https://2852039166/", "nothing is posted to 169.254.169.254"),
        ("https://ada:secret@hooks.example/", "no user name and no password"),
        ("hooks.example", "is an https URL"),
    ] {
        let told = refused(folder, &format!("webhook add shop {url}"));
        assert!(told.contains(why) && !told.contains("secret@"), "{told}");
    }
    let unknown = typed("webhook add shop https://hooks.example/ --types session.unheard_of").unwrap_err();
    assert!(unknown.to_string().contains("session.unheard_of"), "{unknown}");
    assert_eq!(done(folder, "webhook list").unwrap(), "");
}

#[test]
fn an_endpoint_that_does_not_take_a_test_is_a_failure() {
    let folder = with_ada();
    let folder = folder.path();
    fs::write(folder.join("encryption.key"), "01".repeat(32)).unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    done(folder, &format!("webhook add shop http://{gone}/in")).unwrap();
    let told = refused(folder, "webhook test shop");
    assert!(told.starts_with("it did not arrive: no connection: "), "{told}");
    fs::write(folder.join("encryption.key"), "02".repeat(32)).unwrap();
    let misfit = done(folder, "webhook test shop");
    assert!(matches!(misfit, Err(CommandError::Usage(_))), "{misfit:?}");
}
