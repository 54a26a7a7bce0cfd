//! Measures what the store of records was decided on.
//!
//! ```text
//! record-engines engine sqlite|fjall|redb FOLDER BATCHES BLOCKS_PER_BATCH
//! record-engines compress
//! ```
//! Each prints one line of JSON for each measurement; `run.sh` makes the page.

mod compress;
mod engines;
mod text;

use std::error::Error;
use std::path::Path;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["engine", name, folder, batches, blocks] => {
            engines::measure(name, Path::new(folder), batches.parse()?, blocks.parse()?)
        }
        ["compress"] => compress::measure(),
        _ => Err("engine NAME FOLDER BATCHES BLOCKS_PER_BATCH, or compress".into()),
    }
}

/// Processor seconds of this process, all threads, user and system.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: f64 =
        after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    // USER_HZ is 100 on every Linux that is supported.
    ticks / 100.0
}
