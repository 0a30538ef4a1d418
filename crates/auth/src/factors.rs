//! Managing second factors.

pub mod enrolment;
