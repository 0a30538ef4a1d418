//! What comes is counted, and nothing secret of it is printed.

use super::*;

#[test]
fn a_source_is_called_by_its_name_and_its_secrets_are_not_printed() {
    for (source, name) in ImportSource::TABLE {
        assert_eq!(source.to_string(), name);
    }
    assert_eq!(format!("{:?}", SourceSecret("s3cret")), "SourceSecret(…)");
}

#[test]
fn an_account_that_was_made_or_that_something_came_with_is_a_change() {
    let known = ImportOutcome::of(AccountOutcome::Known);
    let created = AccountOutcome::Created { id: UserId::from_number(1), renamed: false };
    for (outcome, changes) in [
        (known.clone(), false),
        (ImportOutcome::of(AccountOutcome::Deleted), false),
        (ImportOutcome::of(AccountOutcome::LeftOut(LeftOut::NameTaken)), false),
        (ImportOutcome { remarks: vec![Remark::NoPassword], ..known.clone() }, false),
        (ImportOutcome::of(created), true),
        (ImportOutcome { sessions: 1, ..known.clone() }, true),
        (ImportOutcome { sessions_over: 1, ..known.clone() }, true),
        (ImportOutcome { factors: 1, ..known.clone() }, true),
        (ImportOutcome { codes: 1, ..known }, true),
    ] {
        assert_eq!(outcome.changes_anything(), changes, "{outcome:?}");
    }
}
