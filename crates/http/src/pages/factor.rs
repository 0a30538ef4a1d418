//! Asking for a second factor: a form for each kind that the user has, and the answer that comes back. The challenge
//! travels in hidden fields, never in an address, and so does what it takes to ask again.

use maud::{Markup, html};
use serde_json::Value;
use thunderhead_auth::credentials::challenge::{AnswerKind, ChallengeGiven, FactorAnswer, ShownFactor};

use crate::pages::form::TextField;
use crate::request::body::Fields;

/// What is asked for.
pub(crate) struct FactorQuestion {
    token: String,
    kinds: Vec<AnswerKind>,
    /// For security keys: a `PublicKeyCredentialRequestOptionsJSON`.
    options: String,
    /// What is wrong with the answer of this kind.
    wrong: Option<(AnswerKind, &'static str)>,
}

/// An answer that cannot be checked: something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MissingAnswer {
    kind: AnswerKind,
    words: &'static str,
}

impl FactorQuestion {
    pub(crate) fn of(given: ChallengeGiven) -> Self {
        Self {
            token: given.token.expose().to_owned(),
            kinds: given.types,
            options: given.options.map(|options| options.to_string()).unwrap_or_default(),
            wrong: None,
        }
    }

    /// The same question once more, by what its answer has brought along. It is shown to whoever sent that, and to
    /// nobody else.
    pub(crate) fn again(fields: &Fields) -> Self {
        let text = |name| fields.text(name).unwrap_or_default();
        let kinds = text("kinds").split(',').filter_map(kind).collect();
        Self { token: text("challenge").to_owned(), kinds, options: text("options").to_owned(), wrong: None }
    }

    /// The same where an answer is missing.
    pub(crate) fn without_answer(self, MissingAnswer { kind, words }: MissingAnswer) -> Self {
        Self { wrong: Some((kind, words)), ..self }
    }

    /// The same where the answer was wrong.
    pub(crate) fn wrong(self, kind: AnswerKind) -> Self {
        let words = match kind {
            AnswerKind::Totp => "The code is wrong, or was used already. Wait for the next one.",
            AnswerKind::Webauthn => "The security key was not accepted.",
            AnswerKind::Backup => "The code is wrong, or was used already.",
        };
        Self { wrong: Some((kind, words)), ..self }
    }

    /// What somebody has answered.
    pub(crate) fn answer(fields: &Fields) -> Result<FactorAnswer, MissingAnswer> {
        let text = |name| fields.text(name).unwrap_or_default();
        let kind = kind(text("kind")).unwrap_or(AnswerKind::Totp);
        let missing = |words| MissingAnswer { kind, words };
        let code = || match text("code").trim() {
            "" => Err(missing("Type the code.")),
            code => Ok(code.to_owned().into()),
        };
        let shown = match kind {
            AnswerKind::Totp => ShownFactor::Totp(code()?),
            AnswerKind::Backup => ShownFactor::Backup(code()?),
            AnswerKind::Webauthn => {
                let response: Option<Value> = serde_json::from_str(text("response")).ok();
                ShownFactor::Webauthn(response.ok_or(missing("The security key gave no answer."))?)
            }
        };
        Ok(FactorAnswer { token: text("challenge").to_owned().into(), shown })
    }

    /// The forms, which send their answers there together with these hidden fields.
    pub(crate) fn forms(&self, action: &str, hidden: &[(&str, &str)]) -> Markup {
        let error = |kind| self.wrong.filter(|(wrong, _)| *wrong == kind).map(|(_, words)| words);
        let has = |kind| self.kinds.contains(&kind);
        let only_backup = !has(AnswerKind::Totp) && !has(AnswerKind::Webauthn);
        html! {
            @if has(AnswerKind::Totp) {
                form method="post" action=(action) {
                    (self.brought(AnswerKind::Totp, hidden))
                    (code_field("code", "Code of your authenticator app", error(AnswerKind::Totp), self.begins_at(AnswerKind::Totp)))
                    button.wide { "Go on" }
                }
            }
            @if has(AnswerKind::Webauthn) {
                @if has(AnswerKind::Totp) { h2 { "Or use a security key" } }
                form method="post" action=(action) data-webauthn="get" data-options=(self.options) {
                    (self.brought(AnswerKind::Webauthn, hidden))
                    input type="hidden" name="response" value="";
                    @if let Some(error) = error(AnswerKind::Webauthn) { p.error role="alert" { (error) } }
                    noscript { p { "Security keys need JavaScript, which is off in this browser." } }
                    p role="status" {}
                    button.wide.needs-script autofocus[self.begins_at(AnswerKind::Webauthn)] { "Use a security key" }
                }
            }
            @if has(AnswerKind::Backup) {
                details open[only_backup || error(AnswerKind::Backup).is_some()] {
                    summary { "Use a backup code" }
                    form method="post" action=(action) {
                        (self.brought(AnswerKind::Backup, hidden))
                        (backup_field(error(AnswerKind::Backup), self.begins_at(AnswerKind::Backup)))
                        button.plain.wide { "Go on with a backup code" }
                    }
                }
            }
        }
    }

    fn brought(&self, kind: AnswerKind, hidden: &[(&str, &str)]) -> Markup {
        let kinds: Vec<_> = self.kinds.iter().map(|kind| kind.name()).collect();
        let kinds = kinds.join(",");
        let own =
            [("challenge", self.token.as_str()), ("kind", kind.name()), ("kinds", &kinds), ("options", &self.options)];
        html! {
            @for (name, value) in own.iter().chain(hidden) { input type="hidden" name=(name) value=(value); }
        }
    }

    /// Where the page begins: at what was wrong, or at the first kind.
    fn begins_at(&self, kind: AnswerKind) -> bool {
        self.wrong.map_or(self.kinds.first() == Some(&kind), |(wrong, _)| wrong == kind)
    }
}

fn kind(name: &str) -> Option<AnswerKind> {
    AnswerKind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// A field for the six digits that an authenticator app shows.
pub(crate) fn code_field(name: &str, label: &str, error: Option<&str>, focus: bool) -> Markup {
    let error_id = format!("{name}-error");
    html! {
        div.field {
            label for=(name) { (label) }
            input.code type="text" id=(name) name=(name) inputmode="numeric" autocomplete="one-time-code" pattern="[0-9 ]*"
                maxlength="11" required aria-invalid=[error.map(|_| "true")]
                aria-describedby=[error.map(|_| &error_id)] autofocus[focus];
            @if let Some(error) = error { p.error id=(error_id) { (error) } }
        }
    }
}

fn backup_field(error: Option<&str>, focus: bool) -> Markup {
    // Its name is that of the other field, which stands in another form; its id must differ.
    let field = TextField { hint: "Each works once.", error, focus, ..TextField::new("backup", "Backup code") };
    field.sent_as("code")
}
