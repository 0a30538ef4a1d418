//! When an event that was not taken is tried again.

use thunderhead_domain::ports::Random;
use thunderhead_domain::time::Timestamp;

/// How long the pauses between attempts are, in seconds, as Standard Webhooks 1.0 recommends: ten attempts in about three
/// days.
const PAUSES: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The longest pause that an endpoint may ask for, in seconds.
const LONGEST_ASKED: i64 = 86_400;
/// So much longer or shorter a pause may be, in thousandths: endpoints of one receiver do not all come back at once.
const JITTER: i64 = 100;

/// When the next attempt is, after so many that failed; `None` where there is none. What the endpoint asks for, in
/// seconds, makes a pause longer and never shorter.
pub(super) fn next_attempt(
    failed: u32,
    now: Timestamp,
    retry_after: Option<i64>,
    random: &dyn Random,
) -> Option<Timestamp> {
    let pause = PAUSES.get(usize::try_from(failed).ok()?.checked_sub(1)?)?;
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    let jitter = i64::from(u32::from_le_bytes(bytes)) % (2 * JITTER + 1) - JITTER;
    let asked = retry_after.unwrap_or(0).clamp(0, LONGEST_ASKED) * 1_000;
    Some(now.plus_millis((pause * (1_000 + jitter)).max(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    /// Always this number.
    struct Drawn(u32);

    impl Random for Drawn {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.copy_from_slice(&self.0.to_le_bytes());
        }
    }

    fn pause(failed: u32, retry_after: Option<i64>, drawn: u32) -> Option<i64> {
        next_attempt(failed, NOW, retry_after, &Drawn(drawn)).map(|at| at.millis_since(NOW))
    }

    #[test]
    fn there_are_ten_attempts_in_about_three_days() {
        let pauses: Vec<_> = (1..).map_while(|failed| pause(failed, None, 100)).collect();
        assert_eq!(pauses.len(), 9);
        assert_eq!((pauses[0], pauses[1]), (5_000, 300_000));
        assert!(pauses.is_sorted() && (72..80).contains(&(pauses.iter().sum::<i64>() / 3_600_000)), "{pauses:?}");
        assert_eq!((pause(0, None, 100), pause(10, Some(1), 100), pause(u32::MAX, None, 0)), (None, None, None));
    }

    #[test]
    fn pauses_are_a_tenth_longer_or_shorter_by_chance() {
        let drawn = (0..=200).map(|drawn| pause(1, None, drawn).unwrap());
        assert_eq!((drawn.clone().min(), drawn.max()), (Some(4_500), Some(5_500)));
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_pause_and_for_no_more_than_a_day() {
        for (asked, waits) in [(-1, 5_000), (1, 5_000), (6, 6_000), (86_400, 86_400_000), (i64::MAX, 86_400_000)] {
            assert_eq!(pause(1, Some(asked), 100), Some(waits), "{asked}");
        }
    }
}
