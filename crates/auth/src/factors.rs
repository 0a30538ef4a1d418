//! Second factors: enrolling, seeing and removing them.

pub mod enrolment;
pub mod manage;
