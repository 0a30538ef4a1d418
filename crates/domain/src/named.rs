//! Enums whose values have a name each: a row of their table, and what it means, is all that a value needs.

/// An enum of values with names, which the database, the command line and answers have for them.
macro_rules! named {
    ($(#[$attribute:meta])* $enum:ident: $($(#[doc = $doc:literal])+ $value:ident $(= $number:literal)? $name:literal,)+) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $enum {
            $($(#[doc = $doc])+ $value $(= $number)?,)+
        }

        impl $enum {
            /// Every one with its name, in the order of declaration. Numbers that are given are counted from 0.
            pub const TABLE: [(Self, &'static str); [$($name),+].len()] = [$((Self::$value, $name)),+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                Self::TABLE[self as usize].1
            }

            /// What it stands for, in a sentence.
            pub const fn meaning(self) -> &'static str {
                const MEANINGS: &[&str] = &[$(concat!($($doc),+)),+];
                MEANINGS[self as usize].trim_ascii()
            }

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::TABLE.into_iter().find(|(_, own)| *own == name).map(|(value, _)| value)
            }
        }
    };
}

pub(crate) use named;
