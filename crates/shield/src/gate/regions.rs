//! Regions of addresses, from the registries' own statistics: the "delegated"
//! files that AFRINIC, APNIC, ARIN, LACNIC and the RIPE NCC publish daily, as
//! they define the format (RIR statistics exchange format, version 2 and 2.3).
//!
//! They say to which country a registry gave a range, which is not always where
//! it is used: good enough for a rule, and the operator's own file.

use std::fmt;
use std::net::IpAddr;

/// Ranges that are held; all five registries together have about 450,000.
pub const RANGES_MAX: usize = 2_000_000;

/// A country's code in small letters, as ISO 3166 and the registries have it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region([u8; 2]);

impl Region {
    /// The region that these two letters name.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        let letters: [u8; 2] = code.as_bytes().try_into().ok()?;
        let plain = letters.iter().all(u8::is_ascii_alphabetic);
        plain.then(|| Self(letters.map(|letter| letter.to_ascii_lowercase())))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("zz")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file that is not of the registries' form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionsError {
    /// A line.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// More than [`RANGES_MAX`].
    #[error("more than {RANGES_MAX} ranges")]
    TooMany,
    /// It holds no range at all.
    #[error("no line that gives a range to a country")]
    Empty,
}

/// The addresses of one range that have one region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range<A> {
    first: A,
    last: A,
    region: Region,
}

/// Which region an address is in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Regions {
    v4: Vec<Range<u32>>,
    v6: Vec<Range<u128>>,
}

impl Regions {
    /// Reads the texts of delegated files. Ranges that no country has are left
    /// out; where two files name one address, the narrower range holds.
    ///
    /// # Errors
    /// A line that is not of the form, too many ranges, or none; with the place of
    /// the text among `texts`.
    pub fn read<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, (usize, RegionsError)> {
        let mut regions = Self::default();
        for (at, text) in texts.enumerate() {
            let before = regions.len();
            regions.add(text).map_err(|error| (at, error))?;
            if regions.len() == before {
                return Err((at, RegionsError::Empty));
            }
        }
        regions.v4.sort_by_key(|range| (range.first, std::cmp::Reverse(range.last)));
        regions.v6.sort_by_key(|range| (range.first, std::cmp::Reverse(range.last)));
        Ok(regions)
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The region of `address`, where the files know it. IPv4 within IPv6 counts
    /// as IPv4.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<Region> {
        match address.to_canonical() {
            IpAddr::V4(v4) => find(&self.v4, v4.to_bits()),
            IpAddr::V6(v6) => find(&self.v6, v6.to_bits()),
        }
    }

    fn add(&mut self, text: &str) -> Result<(), RegionsError> {
        for (at, line) in text.lines().enumerate() {
            let fault = |what| RegionsError::Line { line: at + 1, what };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut cells = line.split('|');
            let mut cell = || cells.next();
            let (Some(_registry), Some(country), Some(kind)) = (cell(), cell(), cell()) else {
                return Err(fault("it has not the registries' cells, separated by |"));
            };
            let (Some(start), Some(size)) = (cell(), cell()) else {
                return Err(fault("it has not the registries' cells, separated by |"));
            };
            // The head (`2.3|ripencc|...`), sums, numbers of systems, and what nobody has.
            let Some(region) = Region::of(country).filter(|_| matches!(kind, "ipv4" | "ipv6"))
            else {
                continue;
            };
            if self.len() >= RANGES_MAX {
                return Err(RegionsError::TooMany);
            }
            self.push(kind, start, size, region).map_err(fault)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        kind: &str,
        start: &str,
        size: &str,
        region: Region,
    ) -> Result<(), &'static str> {
        if kind == "ipv4" {
            let first = start.parse::<std::net::Ipv4Addr>().map_err(|_| "not an IPv4 address")?;
            let first = first.to_bits();
            // A count of addresses: not always a power of two.
            let count: u32 = size.parse().map_err(|_| "not a count of addresses")?;
            let last = count.checked_sub(1).and_then(|more| first.checked_add(more));
            let last = last.ok_or("the range has no end")?;
            self.v4.push(Range { first, last, region });
        } else {
            let first = start.parse::<std::net::Ipv6Addr>().map_err(|_| "not an IPv6 address")?;
            let bits: u32 = size.parse().map_err(|_| "not a prefix length")?;
            let host = u128::MAX.checked_shr(bits).filter(|_| (1..=128).contains(&bits));
            let host = if bits == 128 { Some(0) } else { host };
            let first = first.to_bits();
            let last = first | host.ok_or("not a prefix length")?;
            self.v6.push(Range { first, last, region });
        }
        Ok(())
    }
}

/// Ranges that overlap are looked at from the narrowest beginning back, a few at most.
const OVERLAPS_MAX: usize = 8;

fn find<A: Ord + Copy>(ranges: &[Range<A>], address: A) -> Option<Region> {
    let end = ranges.partition_point(|range| range.first <= address);
    let before = ranges[..end].iter().rev().take(OVERLAPS_MAX);
    before.into_iter().find(|range| range.last >= address).map(|range| range.region)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIPE: &str = "2|ripencc|1700000000|3|19830705|20231114|+0100\n\
        ripencc|*|ipv4|*|2|summary\n\
        ripencc|DE|ipv4|192.0.2.0|128|20100101|allocated|x\n\
        ripencc|IT|ipv4|198.51.100.0|768|20100101|assigned|y\n\
        ripencc|FR|asn|64500|1|20100101|allocated|z\n\
        # a comment\n\
        ripencc|DE|ipv6|2001:db8::|33|20100101|allocated|x\n\
        ripencc||ipv4|203.0.113.0|256||available|\n";

    fn region(regions: &Regions, address: &str) -> Option<String> {
        regions.of(address.parse().unwrap()).map(|region| region.to_string())
    }

    #[test]
    fn an_address_is_where_its_range_is() {
        let more = "arin|US|ipv4|192.0.2.64|16|20200101|allocated|q\n";
        let regions = Regions::read([RIPE, more].into_iter()).unwrap();
        assert_eq!(regions.len(), 4);
        for (address, expected) in [
            ("192.0.2.0", Some("de")),
            ("192.0.2.63", Some("de")),
            ("192.0.2.64", Some("us")),
            ("192.0.2.79", Some("us")),
            ("192.0.2.80", Some("de")),
            ("192.0.2.127", Some("de")),
            ("192.0.2.128", None),
            ("::ffff:198.51.102.255", Some("it")),
            ("198.51.103.0", None),
            ("203.0.113.1", None),
            ("127.0.0.1", None),
            ("2001:db8:7fff::1", Some("de")),
            ("2001:db8:8000::1", None),
        ] {
            assert_eq!(region(&regions, address).as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn a_file_of_another_form_is_refused_with_its_line() {
        let check = |text: &str, expected: &str| {
            let (at, error) = Regions::read([RIPE, text].into_iter()).unwrap_err();
            assert_eq!((at, error.to_string()), (1, expected.to_owned()), "{text}");
        };
        check("", "no line that gives a range to a country");
        check("ip,country\n", "line 1: it has not the registries' cells, separated by |");
        check("\nr|DE|ipv4|192.0.2|1|d|allocated", "line 2: not an IPv4 address");
        check("r|DE|ipv4|192.0.2.0|0|d|allocated", "line 1: the range has no end");
        check("r|DE|ipv4|255.255.255.0|257|d|allocated", "line 1: the range has no end");
        check("r|DE|ipv6|2001:db8::|129|d|allocated", "line 1: not a prefix length");
        check("r|DE|ipv6|2001:db8::|0|d|allocated", "line 1: not a prefix length");
    }

    #[test]
    fn a_region_is_two_letters() {
        assert_eq!(Region::of("DE"), Region::of("de"));
        assert_eq!(
            [Region::of("D"), Region::of("DEU"), Region::of("*"), Region::of("é")],
            [None; 4]
        );
    }
}
