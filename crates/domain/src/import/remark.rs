//! What is told of an account that came, or did not.

/// Why an account was left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    /// It is not of the form of the source.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Its id is none.
    #[error("its id is not 13 digits")]
    Id,
    /// Its name can be nobody's.
    #[error("its name cannot be one here")]
    Name,
    /// Its address can be nobody's.
    #[error("its address cannot be one here")]
    Address,
    /// Others there have the name in another case.
    #[error("its name differs from another's by case only")]
    NameClash,
    /// Others there have the address in another case.
    #[error("its address differs from another's by case only")]
    AddressClash,
    /// Somebody here has the name.
    #[error("its name is taken here")]
    NameTaken,
    /// Somebody here has the address.
    #[error("its address is taken here")]
    AddressTaken,
    /// Somebody here has, or had, the id.
    #[error("its id is taken here")]
    IdTaken,
    /// Somebody here has the uuid.
    #[error("its uuid is taken here")]
    UuidTaken,
}

/// What is to be said of an account that came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// It has another name here.
    #[error("its name {from:?} became {to:?}")]
    Renamed {
        /// There.
        from: String,
        /// Here.
        to: String,
    },
    /// Nobody could register with its name.
    #[error("nobody could register with its name {0:?}; it came as it is")]
    UnusualName(String),
    /// Its address is a rare one, or none that somebody could register with.
    #[error("its address {0:?} is unusual; it came as it is")]
    UnusualAddress(String),
    /// Its password's hash was not taken.
    #[error("its password did not come: {0}")]
    PasswordRefused(String),
    /// It has no password: a one-time link lets its user set one.
    #[error("it has no password: only a one-time link lets its user in")]
    NoPassword,
    /// One of its factors was not taken.
    #[error("its second factor {name:?} did not come: {why}")]
    FactorLeftOut {
        /// Which one.
        name: String,
        /// Why.
        why: String,
    },
    /// Some of its backup codes were not taken.
    #[error("{count} of its backup codes did not come: {why}")]
    CodesLeftOut {
        /// How many.
        count: usize,
        /// Why.
        why: String,
    },
    /// One of its sessions was not taken.
    #[error("its session {id} did not come: {why}")]
    SessionLeftOut {
        /// Which one, as the source knows it.
        id: String,
        /// Why.
        why: String,
    },
    /// One of its sessions may do less than its flags said, or these named what there is not.
    #[error("its session {id} had the flags {from}, of which {to} are known and may be its own")]
    FlagsDropped {
        /// Which one, as the source knows it.
        id: String,
        /// There.
        from: i64,
        /// Here.
        to: i64,
    },
    /// Something else that the source says.
    #[error("{0}")]
    Other(String),
}

impl Remark {
    /// Whether it is of the account itself, and not of what comes with it.
    pub const fn is_of_account(&self) -> bool {
        match self {
            Self::Renamed { .. }
            | Self::UnusualName(_)
            | Self::UnusualAddress(_)
            | Self::PasswordRefused(_)
            | Self::NoPassword
            | Self::Other(_) => true,
            Self::FactorLeftOut { .. }
            | Self::CodesLeftOut { .. }
            | Self::SessionLeftOut { .. }
            | Self::FlagsDropped { .. } => false,
        }
    }
}
