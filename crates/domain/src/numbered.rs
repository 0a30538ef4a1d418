//! Enums whose values are numbers, with a name each: a row of their table, and what it means, is all that a value needs.

macro_rules! numbered {
    ($(#[$attribute:meta])* $enum:ident: $($(#[$doc:meta])* $value:ident = $number:literal $name:literal,)+) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $enum {
            $($(#[$doc])* $value = $number,)+
        }

        impl $enum {
            /// Every one with its name, in the order of the numbers.
            pub const TABLE: [(Self, &'static str); [$($number),+].len()] = [$((Self::$value, $name)),+];

            /// The name in the specification.
            pub const fn name(self) -> &'static str {
                Self::TABLE[self as usize].1
            }
        }
    };
}

pub(crate) use numbered;
