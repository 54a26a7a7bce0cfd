//! Sealed batches of 1 MiB in three engines: written with one fdatasync each,
//! found by subject, and the older half removed as retention does.
//!
//! Each keeps the blocks, and beside them an index of (subject, time).

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use crate::text::Random;
use crate::{Done, cpu_s};

const BATCH_BYTES: usize = 1 << 20;
/// Accounts that write; each batch holds blocks of some of them.
const SUBJECTS: usize = 100_000;
/// Batches that one step of retention removes.
const SLICE: u64 = 16;

type Failed = Box<dyn Error>;

/// One sealed block: 17 bytes of subject, and what is sealed.
pub struct Block {
    pub subject: [u8; 17],
    pub sealed: Vec<u8>,
}

/// What is asked of an engine.
trait Engine {
    /// Writes one batch; it survives a power loss when this returns.
    fn write(&mut self, batch: u64, blocks: &[Block]) -> Result<(), Failed>;
    /// Removes the batches from `from` up to `to`.
    fn remove(&mut self, from: u64, to: u64) -> Result<(), Failed>;
    /// The bytes of all blocks of one subject.
    fn read(&mut self, subject: &[u8; 17]) -> Result<usize, Failed>;
}

pub fn measure(name: &str, folder: &Path, batches: u64, blocks: usize) -> Done {
    std::fs::create_dir_all(folder)?;
    let mut engine: Box<dyn Engine> = match name {
        "sqlite" => Box::new(Sqlite::open(folder)?),
        "fjall" => Box::new(Fjall::open(folder)?),
        "redb" => Box::new(Redb::open(folder)?),
        _ => return Err("there are sqlite, fjall and redb".into()),
    };
    let mut random = Random(1);
    let made_before = cpu_s();
    let sample = batch(&mut random, blocks);
    for _ in 0..8 {
        std::hint::black_box(batch(&mut random, blocks));
    }
    let making = (cpu_s() - made_before) / 9.0;
    let (cpu, wall) = (cpu_s(), Instant::now());
    for number in 0..batches {
        engine.write(number, &batch(&mut random, blocks))?;
    }
    let gib = batches as f64 / 1024.0;
    let written_cpu = (cpu_s() - cpu - making * batches as f64) / gib;
    let written_wall = wall.elapsed().as_secs_f64() / gib;
    let bytes_full = bytes_of(folder)?;
    let (cpu, wall) = (cpu_s(), Instant::now());
    let found: usize =
        sample.iter().take(100).map(|block| engine.read(&block.subject)).sum::<Result<_, _>>()?;
    let (read_cpu, read_wall) = (cpu_s() - cpu, wall.elapsed().as_secs_f64());
    let (cpu, wall) = (cpu_s(), Instant::now());
    for from in (0..batches / 2).step_by(usize::try_from(SLICE)?) {
        engine.remove(from, (from + SLICE).min(batches / 2))?;
    }
    println!(
        "{{\"engine\":\"{name}\",\"batches\":{batches},\"blocks\":{blocks},\
         \"write_cpu_s_per_gib\":{written_cpu:.2},\"write_wall_s_per_gib\":{written_wall:.2},\
         \"bytes_per_byte\":{:.3},\"read_100_cpu_s\":{read_cpu:.3},\"read_100_wall_s\":{read_wall:.3},\"read_bytes\":{found},\
         \"remove_half_cpu_s\":{:.2},\"remove_half_wall_s\":{:.2},\"bytes_per_byte_after\":{:.3}}}",
        bytes_full as f64 / (batches as f64 * BATCH_BYTES as f64),
        cpu_s() - cpu,
        wall.elapsed().as_secs_f64(),
        bytes_of(folder)? as f64 / (batches as f64 * BATCH_BYTES as f64),
    );
    Ok(())
}

fn batch(random: &mut Random, blocks: usize) -> Vec<Block> {
    (0..blocks)
        .map(|_| {
            let mut subject = [1; 17];
            let number = random.below(SUBJECTS) as u64;
            // Ids are random: neighbours in time are none in the index.
            subject[9..].copy_from_slice(&Random(number).next().to_le_bytes());
            let mut sealed = vec![0; BATCH_BYTES / blocks];
            random.fill(&mut sealed);
            Block { subject, sealed }
        })
        .collect()
}

/// Allocated bytes of all files below `folder`.
fn bytes_of(folder: &Path) -> Result<u64, Failed> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_of(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

/// `subject | batch | position`, as the two others' index has it.
fn index_key(subject: &[u8; 17], batch: u64, position: u32) -> [u8; 29] {
    let mut key = [0; 29];
    key[..17].copy_from_slice(subject);
    key[17..25].copy_from_slice(&batch.to_be_bytes());
    key[25..].copy_from_slice(&position.to_be_bytes());
    key
}

fn block_key(batch: u64, position: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&batch.to_be_bytes());
    key[8..].copy_from_slice(&position.to_be_bytes());
    key
}

struct Sqlite(rusqlite::Connection);

impl Sqlite {
    fn open(folder: &Path) -> Result<Self, Failed> {
        let connection = rusqlite::Connection::open(folder.join("records.sqlite"))?;
        let page_bytes = std::env::var("PAGE_BYTES").unwrap_or("4096".into());
        connection.execute_batch(&format!(
            "PRAGMA page_size = {page_bytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = {};
             CREATE TABLE blocks (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, position INTEGER NOT NULL,
               subject BLOB NOT NULL, first_at INTEGER NOT NULL, sealed BLOB NOT NULL);
             CREATE INDEX blocks_subject ON blocks (subject, first_at);
             CREATE INDEX blocks_batch ON blocks (batch);",
            (64 << 20) / page_bytes.parse::<u64>()?,
        ))?;
        Ok(Self(connection))
    }
}

impl Engine for Sqlite {
    fn write(&mut self, batch: u64, blocks: &[Block]) -> Result<(), Failed> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO blocks (batch, position, subject, first_at, sealed) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (position, block) in blocks.iter().enumerate() {
                insert.execute((batch as i64, position as i64, &block.subject, batch as i64, &block.sealed))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn remove(&mut self, from: u64, to: u64) -> Result<(), Failed> {
        let mut remove =
            self.0.prepare_cached("DELETE FROM blocks WHERE batch >= ?1 AND batch < ?2")?;
        remove.execute((from as i64, to as i64))?;
        Ok(())
    }

    fn read(&mut self, subject: &[u8; 17]) -> Result<usize, Failed> {
        let mut select =
            self.0.prepare_cached("SELECT sealed FROM blocks WHERE subject = ?1 ORDER BY first_at")?;
        let mut rows = select.query((subject,))?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            bytes += row.get_ref(0)?.as_blob()?.len();
        }
        Ok(bytes)
    }
}

struct Fjall {
    database: fjall::Database,
    blocks: fjall::Keyspace,
    index: fjall::Keyspace,
}

impl Fjall {
    fn open(folder: &Path) -> Result<Self, Failed> {
        let database = fjall::Database::builder(folder).open()?;
        let separated = || {
            fjall::KeyspaceCreateOptions::default()
                .with_kv_separation(Some(fjall::KvSeparationOptions::default()))
        };
        let blocks = database.keyspace("blocks", separated)?;
        let index = database.keyspace("index", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { database, blocks, index })
    }
}

impl Engine for Fjall {
    fn write(&mut self, batch: u64, blocks: &[Block]) -> Result<(), Failed> {
        let mut all = self.database.batch();
        for (position, block) in (0..).zip(blocks) {
            all.insert(&self.blocks, block_key(batch, position), block.sealed.as_slice());
            all.insert(&self.index, index_key(&block.subject, batch, position), []);
        }
        all.commit()?;
        self.database.persist(fjall::PersistMode::SyncData)?;
        Ok(())
    }

    fn remove(&mut self, from: u64, to: u64) -> Result<(), Failed> {
        // The index's entries go when they are met: a reader finds no block for them.
        let mut all = self.database.batch();
        for entry in self.blocks.range(block_key(from, 0)..block_key(to, 0)) {
            all.remove(&self.blocks, entry.key()?);
        }
        all.commit()?;
        self.database.persist(fjall::PersistMode::SyncData)?;
        Ok(())
    }

    fn read(&mut self, subject: &[u8; 17]) -> Result<usize, Failed> {
        let mut bytes = 0;
        for entry in self.index.prefix(subject) {
            let key = entry.key()?;
            bytes += self.blocks.get(&key[17..])?.map_or(0, |sealed| sealed.len());
        }
        Ok(bytes)
    }
}

const BLOCKS: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("blocks");
const INDEX: redb::TableDefinition<'_, &[u8], ()> = redb::TableDefinition::new("index");

struct Redb(redb::Database);

impl Redb {
    fn open(folder: &Path) -> Result<Self, Failed> {
        Ok(Self(redb::Database::create(folder.join("records.redb"))?))
    }
}

impl Engine for Redb {
    fn write(&mut self, batch: u64, blocks: &[Block]) -> Result<(), Failed> {
        let transaction = self.0.begin_write()?;
        {
            let (mut all, mut index) =
                (transaction.open_table(BLOCKS)?, transaction.open_table(INDEX)?);
            for (position, block) in (0..).zip(blocks) {
                all.insert(block_key(batch, position).as_slice(), block.sealed.as_slice())?;
                index.insert(index_key(&block.subject, batch, position).as_slice(), ())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn remove(&mut self, from: u64, to: u64) -> Result<(), Failed> {
        let transaction = self.0.begin_write()?;
        {
            let mut all = transaction.open_table(BLOCKS)?;
            let (from, to) = (block_key(from, 0), block_key(to, 0));
            all.retain_in(from.as_slice()..to.as_slice(), |_, _| false)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn read(&mut self, subject: &[u8; 17]) -> Result<usize, Failed> {
        use redb::ReadableDatabase as _;
        let transaction = self.0.begin_read()?;
        let (all, index) = (transaction.open_table(BLOCKS)?, transaction.open_table(INDEX)?);
        let (from, to) = (index_key(subject, 0, 0), index_key(subject, u64::MAX, u32::MAX));
        let mut bytes = 0;
        for entry in index.range(from.as_slice()..=to.as_slice())? {
            let key = entry?.0;
            bytes += all.get(&key.value()[17..])?.map_or(0, |sealed| sealed.value().len());
        }
        Ok(bytes)
    }
}
