//! Scopes in words, and in the groups that they are chosen from.

use thunderhead_domain::scope::{Scope, ScopeSet};

/// Some scopes that belong together.
pub(crate) struct ScopeGroup {
    pub(crate) name: &'static str,
    pub(crate) scopes: &'static [Scope],
    /// Whether they are offered to staff alone.
    pub(crate) for_staff: bool,
}

pub(crate) const GROUPS: [ScopeGroup; 4] = [
    ScopeGroup { name: "Files", scopes: &[Scope::UploadFile, Scope::FileRead, Scope::FileModify], for_staff: false },
    ScopeGroup {
        name: "Your account",
        scopes: &[
            Scope::AccountRead,
            Scope::AccountModify,
            Scope::SecondFactorRead,
            Scope::SessionRead,
            Scope::SessionModify,
        ],
        for_staff: false,
    },
    ScopeGroup {
        name: "Staff",
        scopes: &[
            Scope::StaffReadAccounts,
            Scope::StaffModifyAccounts,
            Scope::StaffReadSecondFactors,
            Scope::StaffModifySecondFactors,
            Scope::StaffReadSessions,
            Scope::StaffModifySessions,
            Scope::StaffReadFiles,
            Scope::StaffModifyFiles,
            Scope::StaffModifyDomains,
            Scope::StaffModifyInstructions,
            Scope::StaffModifyKillswitches,
            Scope::StaffModifyLoglevel,
        ],
        for_staff: true,
    },
    ScopeGroup { name: "Everything", scopes: &[Scope::All], for_staff: false },
];

/// What a token may do with a scope.
pub(crate) const fn words(scope: Scope) -> &'static str {
    match scope {
        Scope::All => "all of the above, and what there will be; the staff's only while you are staff",
        Scope::UploadFile => "upload files",
        Scope::AccountRead => "see your account",
        Scope::AccountModify => "change your user name",
        Scope::SecondFactorRead => "see which second factors you have",
        Scope::SessionRead => "see your sessions",
        Scope::SessionModify => "end your sessions",
        Scope::FileRead => "see your files",
        Scope::FileModify => "change and delete your files",
        Scope::StaffReadAccounts => "see all accounts",
        Scope::StaffModifyAccounts => "change, ban and delete accounts",
        Scope::StaffReadSecondFactors => "see everybody’s second factors",
        Scope::StaffModifySecondFactors => "remove the second factors of others",
        Scope::StaffReadSessions => "see everybody’s sessions",
        Scope::StaffModifySessions => "end the sessions of others",
        Scope::StaffReadFiles => "see everybody’s files",
        Scope::StaffModifyFiles => "change everybody’s files",
        Scope::StaffModifyDomains => "change domains",
        Scope::StaffModifyInstructions => "change instructions",
        Scope::StaffModifyKillswitches => "turn kill switches, and pass those that are on",
        Scope::StaffModifyLoglevel => "change what is logged",
    }
}

/// What a token may do, in one line.
pub(crate) fn listed(scopes: ScopeSet) -> String {
    if scopes.allows(Scope::All) {
        return "everything".to_owned();
    }
    scopes.iter().map(words).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scope_is_offered_once_and_those_of_staff_to_staff() {
        let offered: Vec<Scope> = GROUPS.iter().flat_map(|group| group.scopes).copied().collect();
        assert_eq!(offered.len(), Scope::TABLE.len());
        assert_eq!(offered.iter().map(|scope| scope.bit()).collect::<BTreeSet<_>>().len(), offered.len());
        for group in &GROUPS {
            assert!(group.scopes.iter().all(|scope| scope.is_staff() == group.for_staff), "{}", group.name);
        }
    }

    #[test]
    fn what_may_do_everything_is_told_so() {
        let of = |scopes: &[Scope]| {
            let flags: u32 = scopes.iter().map(|scope| scope.bit()).sum();
            listed(ScopeSet::from_flags(flags.into()).unwrap())
        };
        assert_eq!(of(&[Scope::All, Scope::FileRead]), "everything");
        assert_eq!(of(&[Scope::UploadFile, Scope::SessionRead]), "upload files, see your sessions");
    }
}
