//! Headers that may be there once.

/// How many there are.
pub(crate) enum Sole<T> {
    Nothing,
    One(T),
    Several,
}

pub(crate) fn sole<T>(mut values: impl Iterator<Item = T>) -> Sole<T> {
    match (values.next(), values.next()) {
        (None, _) => Sole::Nothing,
        (Some(value), None) => Sole::One(value),
        (Some(_), Some(_)) => Sole::Several,
    }
}
