//! Lines that are accounts, and lines that are none.

use std::io::Write as _;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn items(text: &str) -> Vec<SourceItem> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut source = UsersFile::open(file.path().to_str().unwrap(), NOW).unwrap();
    source.names(&mut |_| {}).unwrap();
    std::iter::from_fn(|| source.next().unwrap()).collect()
}

fn account(text: &str) -> SourceAccount {
    match items(text).pop() {
        Some(SourceItem::Account(account)) => *account,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_says_who_it_is_and_what_lets_them_in() {
    let line = r#"{"username":"Ada","email":"ada@example.org","password_hash":"$2b$…","totp":["JBPBGO3CAZXXULBX","GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","?"],
        "verified":true,"banned":"2023-01-01","staff":true,"created":"2020-01-01T00:00:00Z"}"#;
    let found = account(&line.replace('\n', ""));
    assert_eq!((found.source_id.as_str(), found.factors.len(), found.staff), ("name:ada", 2, true));
    assert_eq!(found.verified_at, Some(NOW));
    assert_eq!(found.banned_at, Some(Timestamp::from_unix_seconds(1_672_531_200)));
    assert_eq!(found.created_at, Timestamp::from_unix_seconds(1_577_836_800));
    let plain = account(r#"{"username":"b","email":"b@example.org","uuid":"0191f2a4-8b1c-7def-8000-00000000002a"}"#);
    assert_eq!(plain.source_id, "0191f2a4-8b1c-7def-8000-00000000002a");
    assert!(plain.password.is_none() && plain.banned_at.is_none() && !plain.staff);
}

#[test]
fn a_bad_line_is_told_by_its_number_and_the_others_are_taken() {
    let long = "x".repeat(70_000);
    let text = format!(
        "{{\"username\":\"a\",\"email\":\"a@example.org\"}}\n\nno json $2b$15$secret\n{{\"username\":\"b\"}}\n{long}\n\
         {{\"username\":\"c\",\"email\":\"c@example.org\",\"passwordHash\":\"secret\"}}\n\
         {{\"username\":\"d\",\"email\":\"d@example.org\",\"password_hash\":5}}\n\
         {{\"username\":\"e\",\"email\":\"e@example.org\",\"created\":\"yesterday\"}}\n[]\n\
         {{\"username\":\"f\",\"email\":\"f@example.org\"}}"
    );
    let told: Vec<String> = items(&text)
        .into_iter()
        .map(|item| match item {
            SourceItem::Account(account) => account.username,
            SourceItem::Unreadable { who, why } => format!("{who}: {why}"),
        })
        .collect();
    assert_eq!(told.len(), 9);
    assert_eq!((told[0].as_str(), told[8].as_str()), ("a", "f"));
    for (told, line) in told[1..8].iter().zip([3, 4, 5, 6, 7, 8, 9]) {
        assert!(told.starts_with(&format!("line {line}: ")) && !told.contains("secret"), "{told}");
    }
}
