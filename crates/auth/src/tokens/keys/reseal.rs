//! Changing the encryption key: everything that is stored encrypted is decrypted under whatever key it was, and
//! encrypted under the first.

use secrecy::{ExposeSecret as _, SecretSlice};
use thunderhead_domain::audit::ActionContext;
use thunderhead_domain::ports::{Resealed, SealedRow, SealedText, Storage};

use crate::tokens::keys::{EncryptionKeys, SealError, SigningKeyError};

/// How many texts one transaction replaces: few enough not to hold up others.
const BATCH: usize = 500;

/// Encrypts everything under the first key that is not so already; returns how much that was.
///
/// # Errors
/// Where something cannot be decrypted: nothing is changed then. Where the database is away: some of it may be done,
/// and another call does the rest.
pub(crate) async fn reseal(
    storage: &dyn Storage,
    encryption_keys: &EncryptionKeys,
    action: &ActionContext,
) -> Result<u64, SigningKeyError> {
    let stored = storage.sealed_texts().await?;
    let anew = stored.into_iter().map(|old| anew(old, encryption_keys));
    let anew = anew.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
    let mut replaced = 0;
    for batch in anew.chunks(BATCH) {
        replaced += storage.sealed_replace(batch.to_vec(), action.clone()).await?;
    }
    Ok(replaced)
}

/// Makes sure that these keys open everything of a database's.
///
/// # Errors
/// [`SigningKeyError::Sealed`] for the first that they do not open.
pub fn check_opens(texts: &[SealedText], encryption_keys: &EncryptionKeys) -> Result<(), SigningKeyError> {
    let check = |text: &SealedText| {
        let context = text.row.context();
        opened(text, &context, encryption_keys).map(drop).map_err(|error| SigningKeyError::sealing(error, context))
    };
    texts.iter().try_for_each(check)
}

/// A text as it should be; `None` where it is so.
fn anew(old: SealedText, encryption_keys: &EncryptionKeys) -> Result<Option<Resealed>, SigningKeyError> {
    let context = old.row.context();
    if encryption_keys.is_current(&old.sealed, &context) {
        return Ok(None);
    }
    match sealed_anew(&old, &context, encryption_keys) {
        Ok(new) => Ok(Some(Resealed { old, new })),
        Err(error) => Err(SigningKeyError::sealing(error, context)),
    }
}

fn sealed_anew(old: &SealedText, context: &str, encryption_keys: &EncryptionKeys) -> Result<String, SealError> {
    encryption_keys.seal_bytes(opened(old, context, encryption_keys)?.expose_secret(), context)
}

fn opened(text: &SealedText, context: &str, encryption_keys: &EncryptionKeys) -> Result<SecretSlice<u8>, SealError> {
    match text.row {
        // The first of them were sealed without a context.
        SealedRow::SigningKey(_) => encryption_keys.unseal_old_bytes(&text.sealed, context),
        SealedRow::Factor(_) | SealedRow::ImportedCode(_) | SealedRow::Webhook(_) => {
            encryption_keys.unseal_bytes(&text.sealed, context)
        }
    }
}

#[cfg(test)]
mod tests {
    use thunderhead_domain::session::Actor;
    use thunderhead_testkit::{TestDatabase, block_on};

    use super::*;
    use crate::environment::Environment;
    use crate::testing::{NOW, Replica};
    use crate::tokens::token::TokenSigner;

    fn keys(digits: &[&str]) -> EncryptionKeys {
        EncryptionKeys::parse(&digits.iter().map(|digits| digits.repeat(32)).collect::<Vec<_>>().join(" ")).unwrap()
    }

    #[test]
    fn everything_is_sealed_anew_once_and_opens_under_the_new_key_alone() {
        let (old, both, new) = (keys(&["01"]), keys(&["02", "01"]), keys(&["02"]));
        let action = ActionContext { at: NOW, by: Actor::CommandLine, client_ip: None };
        block_on(async {
            let database = TestDatabase::sqlite();
            let replica = Replica::of(&database, 1);
            let Environment { storage, clock, random } = &replica.environment;
            let load = |keys| TokenSigner::load("thunderhead".to_owned(), &**storage, keys, &**clock, &**random);
            load(&old).await.unwrap();
            let opens = |texts: &[SealedText], keys| check_opens(texts, keys).is_ok();
            let before = storage.sealed_texts().await.unwrap();
            assert_eq!([opens(&before, &old), opens(&before, &both), opens(&before, &new)], [true, true, false]);
            assert!(reseal(&**storage, &new, &action).await.is_err(), "it cannot be read");
            assert_eq!(reseal(&**storage, &both, &action).await.unwrap(), 1);
            assert_eq!(reseal(&**storage, &both, &action).await.unwrap(), 0);
            let after = storage.sealed_texts().await.unwrap();
            assert_eq!([opens(&after, &old), opens(&after, &new)], [false, true]);
            assert!(load(&new).await.is_ok() && load(&old).await.is_err());
        });
    }
}
