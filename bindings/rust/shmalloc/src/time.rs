//! How long, and waits that signals do not end.
use crate::{sys, Result, Status};
use std::time::{Duration, Instant};

/// A time to wait or to live.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Time {
    /// What is usual there.
    #[default]
    Usual,
    /// No end.
    Forever,
    /// No time at all.
    None,
    /// As long as this; zero is no time at all.
    For(Duration),
}

impl From<Duration> for Time {
    fn from(duration: Duration) -> Time {
        Time::For(duration)
    }
}

impl Time {
    pub(crate) fn nanoseconds(self) -> i64 {
        match self {
            Time::Usual => sys::SHMALLOC_TIME_DEFAULT,
            Time::Forever => sys::SHMALLOC_TIME_FOREVER,
            Time::None => sys::SHMALLOC_TIME_NONE,
            Time::For(duration) if duration.is_zero() => sys::SHMALLOC_TIME_NONE,
            Time::For(duration) => i64::try_from(duration.as_nanos()).unwrap_or(sys::SHMALLOC_TIME_FOREVER),
        }
    }
}

/// Call something that waits, and once more whenever a signal handler ended the wait, for the time that is left.
pub(crate) fn waiting<T>(time: Time, mut function: impl FnMut(i64) -> Result<T>) -> Result<T> {
    let mut left = time;
    let mut end = None;
    if let Time::For(duration) = time {
        end = Instant::now().checked_add(duration);
    }
    loop {
        match function(left.nanoseconds()) {
            Err(error) if error.status() == Status::Interrupted => {
                if let Some(end) = end {
                    left = Time::For(end.saturating_duration_since(Instant::now()));
                }
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn numbers_of_the_c_interface() {
        assert_eq!(Time::Usual.nanoseconds(), 0);
        assert_eq!(Time::from(Duration::ZERO).nanoseconds(), sys::SHMALLOC_TIME_NONE);
        assert_eq!(Time::from(Duration::from_micros(3)).nanoseconds(), 3000);
        assert_eq!(Time::from(Duration::MAX).nanoseconds(), sys::SHMALLOC_TIME_FOREVER);
    }

    #[test]
    fn a_wait_goes_on_for_the_time_that_is_left() {
        let mut left = Vec::new();
        let ended = waiting(Duration::from_secs(100).into(), |nanoseconds| {
            left.push(nanoseconds);
            match left.len() {
                3 => Err(Error::new(Status::Timeout, "")),
                _ => Err(Error::new(Status::Interrupted, "")),
            }
        });
        assert_eq!(ended.map_err(|error| error.status()), Err::<(), _>(Status::Timeout));
        assert!(
            left[0] == 100_000_000_000 && left[1] < left[0] && left[2] <= left[1] && left[2] > 90_000_000_000,
            "{left:?}"
        );
    }

    #[test]
    fn a_wait_without_end_stays_one() {
        let mut left = Vec::new();
        waiting(Time::Forever, |nanoseconds| {
            left.push(nanoseconds);
            if left.len() < 2 {
                return Err(Error::new(Status::Interrupted, ""));
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(left, [sys::SHMALLOC_TIME_FOREVER; 2]);
    }
}
