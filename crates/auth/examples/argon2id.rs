//! How many passwords this machine can hash: Argon2id on so many threads for so many seconds, and nothing else.
//! `cargo xtask bench` measures logins by it. Arguments: KiB of memory, passes, pools, threads, seconds.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<Vec<u32>, _>>()?;
    let &[memory_kib, passes, lanes, threads, seconds] = numbers.as_slice() else {
        return Err("arguments: KiB of memory, passes, lanes, threads, seconds".into());
    };
    let params = Params::new(memory_kib, passes, lanes, None).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = AtomicU64::new(0);
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds.into());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while Instant::now() < end {
                    if argon2.hash_password_with_salt(b"analytical engine 1843", &[7; 16]).is_ok() {
                        hashed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let per_second = hashed.into_inner() as f64 / begun.elapsed().as_secs_f64();
    writeln!(io::stdout(), "{per_second:.2}")?;
    Ok(())
}
