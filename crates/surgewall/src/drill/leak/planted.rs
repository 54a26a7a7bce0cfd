//! What the act plants: over a thousand things that a thief would look for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use surgewall_core::random;

/// Requests of the act: each comes from a network of its own and says three
/// secrets, three names and an e-mail address.
pub(super) const REQUESTS: usize = 100;
/// Secrets, and names, of one request.
const EACH: usize = 3;
/// Accounts with an e-mail address.
const ACCOUNTS: usize = 50;
/// Upstreams, groups and keys by name, of each.
const NAMED: usize = 50;
/// People who make an account by themselves and write in the chat.
const MEMBERS: usize = 3;

/// Somebody at the pages, and what they type there.
pub(super) struct Member {
    pub(super) email: String,
    pub(super) password: String,
    /// A password that is none of theirs.
    pub(super) wrong: String,
    /// A password where the address belongs.
    pub(super) misplaced: String,
    pub(super) address: IpAddr,
    pub(super) title: String,
    pub(super) instructions: String,
    pub(super) message: String,
    /// The name of what hangs on the message, and what it says.
    pub(super) file: String,
    pub(super) attached: String,
    pub(super) draft: String,
}

impl Member {
    fn new(nth: usize) -> Self {
        let of = |what: &str| format!("{what} {}", random::base62(14));
        let password = || format!("{}-{}", random::base62(10), random::base62(14));
        Self {
            email: format!("{}@osprey.example.org", random::base62(14).to_lowercase()),
            password: password(),
            wrong: password(),
            misplaced: password(),
            address: address(nth),
            title: of("godwit"),
            instructions: of("whimbrel"),
            message: of("curlew"),
            file: of("redshank"),
            attached: of("turnstone"),
            draft: of("sanderling"),
        }
    }

    /// Everything that they typed.
    fn typed(&self) -> [&String; 10] {
        let Self { email, password, wrong, misplaced, title, .. } = self;
        let Self { instructions, message, file, attached, draft, .. } = self;
        [email, password, wrong, misplaced, title, instructions, message, file, attached, draft]
    }
}

/// Over a thousand things, new at each run: nothing else can hold them.
pub(super) struct Planted {
    pub(super) members: Vec<Member>,
    pub(super) secrets: Vec<String>,
    pub(super) names: Vec<String>,
    /// Of accounts, then those that requests say.
    pub(super) emails: Vec<String>,
    /// Of requests, IPv4 and IPv6 in turn.
    pub(super) addresses: Vec<IpAddr>,
    pub(super) upstreams: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) keys: Vec<String>,
}

impl Planted {
    pub(super) fn new() -> Self {
        let many = |count: usize, one: &dyn Fn(&str) -> String| -> Vec<_> {
            (0..count).map(|_| one(&random::base62(14))).collect()
        };
        Self {
            members: (0..MEMBERS).map(Member::new).collect(),
            secrets: many(REQUESTS * EACH, &|word| format!("sk-proj-{word}{word}")),
            names: many(REQUESTS * EACH, &|word| format!("Heron {word}")),
            emails: many(ACCOUNTS + REQUESTS, &|word| {
                format!("{}@osprey.example.org", word.to_lowercase())
            }),
            addresses: (0..REQUESTS).map(address).collect(),
            upstreams: many(NAMED, &|word| format!("kestrel-{word}")),
            groups: many(NAMED, &|word| format!("dunlin {word}")),
            keys: many(NAMED, &|word| format!("plover {word}")),
        }
    }

    /// The e-mail addresses that accounts have.
    pub(super) fn account_emails(&self) -> &[String] {
        &self.emails[..ACCOUNTS]
    }

    /// What request `nth` says.
    pub(super) fn prompt(&self, nth: usize) -> String {
        let of = |texts: &[String]| texts[nth * EACH..][..EACH].join(", ");
        let email = &self.emails[ACCOUNTS + nth];
        format!(
            "my keys are {}; ask {}; write to {email}\nsay 3",
            of(&self.secrets),
            of(&self.names)
        )
    }

    /// Everything that must be found in no file.
    pub(super) fn everything(&self) -> Vec<String> {
        let texts =
            [&self.secrets, &self.names, &self.emails, &self.upstreams, &self.groups, &self.keys];
        let typed = self.members.iter().flat_map(Member::typed);
        let addresses = self.networks().map(|address| address.to_string());
        texts.into_iter().flatten().chain(typed).cloned().chain(addresses).collect()
    }

    /// Where requests and people come from.
    fn networks(&self) -> impl Iterator<Item = &IpAddr> {
        self.addresses.iter().chain(self.members.iter().map(|member| &member.address))
    }

    /// What must not be in metrics and logs either: an operator's log may name
    /// networks, and what the operator configured.
    pub(super) fn never_logged(&self) -> Vec<String> {
        let typed = self.members.iter().flat_map(Member::typed);
        let said = [&self.secrets, &self.names, &self.emails].into_iter().flatten();
        said.chain(typed).cloned().collect()
    }

    /// Networks as bytes: the first six of an IPv6 address. Three or four bytes
    /// of an IPv4 address would be found in any file.
    pub(super) fn binary(&self) -> Vec<Vec<u8>> {
        let six = |address: &IpAddr| match address {
            IpAddr::V6(address) => Some(address.octets()[..6].to_vec()),
            IpAddr::V4(_) => None,
        };
        self.networks().filter_map(six).collect()
    }
}

/// An address of a network of its own: documentation's would be too few.
fn address(nth: usize) -> IpAddr {
    let [a, b, c, d, e, f] = random::bytes();
    if nth.is_multiple_of(2) {
        IpAddr::V4(Ipv4Addr::new(10, a, b, c))
    } else {
        let part = |high, low| u16::from_be_bytes([high, low]);
        IpAddr::V6(Ipv6Addr::new(0x2001, 0x0db8, part(a, b), part(c, d), 0, 0, 0, part(e, f | 1)))
    }
}
