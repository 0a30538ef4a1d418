//! Which trace a request belongs to: the header `traceparent` (W3C Trace Context, level 1, section 3.2).

use actix_web::http::header::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const TRACE_ID: usize = 32;
const PARENT_ID: usize = 16;
/// Version, ids and flags with the dashes between them.
const LENGTH: usize = 2 + 1 + TRACE_ID + 1 + PARENT_ID + 1 + 2;

/// A trace, and the span of the caller in it. Whoever asks can make both up: they name, and prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace_id: [u8; TRACE_ID],
    parent_id: [u8; PARENT_ID],
    sampled: bool,
}

impl TraceParent {
    /// What a request says; nothing where it says it twice, or not as it must be. The specification wants a new trace
    /// then, and no error.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT);
        match (values.next(), values.next()) {
            (Some(only), None) => Self::parse(only.as_bytes()),
            _ => None,
        }
    }

    /// Reads the value of the header. Of a later version, what is behind the flags is not looked at.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_first_chunk::<LENGTH>()?;
        let [version @ .., _] = head.first_chunk::<3>()?;
        let trace_id = *head.get(3..)?.first_chunk::<TRACE_ID>()?;
        let parent_id = *head.get(36..)?.first_chunk::<PARENT_ID>()?;
        let flags = head.last_chunk::<2>()?;
        let ends_well = rest.is_empty() || (version != b"00" && rest.starts_with(b"-"));
        let dashes = [2, 35, 52].into_iter().all(|at| head.get(at) == Some(&b'-'));
        let parts: [&[u8]; 4] = [version, &trace_id, &parent_id, flags];
        let is_hex = parts.into_iter().flatten().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_set = |id: &[u8]| id.iter().any(|byte| *byte != b'0');
        let is_valid = ends_well && dashes && is_hex && version != b"ff" && is_set(&trace_id) && is_set(&parent_id);
        is_valid.then(|| Self { trace_id, parent_id, sampled: is_odd(flags[1]) })
    }

    /// The id of the trace: 32 hexadecimal digits in small letters.
    pub fn trace_id(&self) -> &str {
        str::from_utf8(&self.trace_id).unwrap_or_default()
    }

    /// The id of the caller's span: 16 of them.
    pub fn parent_id(&self) -> &str {
        str::from_utf8(&self.parent_id).unwrap_or_default()
    }

    /// Whether the caller may have recorded its part.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }
}

/// Whether the last bit of a hexadecimal digit is set.
const fn is_odd(digit: u8) -> bool {
    // `0` is even and `a` odd, as bytes: ten is even.
    (digit & 1 == 1) == digit.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::proptest;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn parse(value: &str) -> Option<TraceParent> {
        TraceParent::parse(value.as_bytes())
    }

    #[test]
    fn a_trace_and_the_callers_span_are_read() {
        let parent = parse(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        assert_eq!((parent.trace_id(), parent.parent_id(), parent.is_sampled()), (TRACE, PARENT, true));
    }

    #[test]
    fn of_the_flags_the_last_bit_counts() {
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("f9", true), ("fa", false)]
            .into_iter()
            .chain([("0b", true), ("0c", false), ("ff", true)])
        {
            assert_eq!(parse(&format!("00-{TRACE}-{PARENT}-{flags}")).unwrap().is_sampled(), sampled, "{flags}");
        }
    }

    #[test]
    fn a_later_version_may_say_more_behind_a_dash() {
        for value in [format!("01-{TRACE}-{PARENT}-01"), format!("cc-{TRACE}-{PARENT}-01-what-comes-later")] {
            assert_eq!(parse(&value).unwrap().trace_id(), TRACE, "{value}");
        }
    }

    #[test]
    fn what_is_not_as_it_must_be_is_nothing() {
        let zeros = "0".repeat(32);
        for value in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-01 "),
            format!(" 00-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!("00-{TRACE}-{PARENT}-.1"),
            format!("0x-{TRACE}-{PARENT}-01"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("01-{TRACE}-{PARENT}-01more"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
            format!("00_{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}_{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}_01"),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{TRACE}-{PARENT}-01, 00-{TRACE}-{PARENT}-01"),
        ] {
            assert_eq!(parse(&value), None, "{value:?}");
        }
    }

    #[test]
    fn one_header_counts_and_two_do_not() {
        let value = HeaderValue::try_from(format!("00-{TRACE}-{PARENT}-01")).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(TraceParent::of(&headers), None);
        headers.append(TRACEPARENT, value.clone());
        assert_eq!(TraceParent::of(&headers).unwrap().trace_id(), TRACE);
        headers.append(TRACEPARENT, value);
        assert_eq!(TraceParent::of(&headers), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not_and_what_is_read_is_hexadecimal(value: Vec<u8>) {
            if let Some(parent) = TraceParent::parse(&value) {
                assert!(parent.trace_id().len() == 32 && parent.parent_id().len() == 16);
            }
        }

        #[test]
        fn every_trace_of_this_form_is_read(
            version in "[0-9a-e][0-9a-f]", trace in "[1-9a-f][0-9a-f]{31}", parent in "[1-9a-f][0-9a-f]{15}",
            flags in "[0-9a-f]{2}",
        ) {
            let read = TraceParent::parse(format!("{version}-{trace}-{parent}-{flags}").as_bytes()).unwrap();
            assert_eq!((read.trace_id(), read.parent_id()), (&*trace, &*parent));
            assert_eq!(read.is_sampled(), u8::from_str_radix(&flags, 16).unwrap() & 1 == 1);
        }
    }
}
