//! An API of a thousand endpoints with identifiers in its paths.

use super::Random;
use std::fmt::Write as _;

/// Resources, each with four endpoints.
pub const RESOURCES: u32 = 250;

/// What a bank has many of.
const NOUNS: [&str; 50] = [
    "accounts",
    "payments",
    "cards",
    "consents",
    "parties",
    "statements",
    "mandates",
    "beneficiaries",
    "standing-orders",
    "direct-debits",
    "transactions",
    "balances",
    "offers",
    "products",
    "branches",
    "customers",
    "loans",
    "mortgages",
    "deposits",
    "securities",
    "portfolios",
    "orders",
    "trades",
    "quotes",
    "limits",
    "alerts",
    "messages",
    "documents",
    "signatures",
    "devices",
    "sessions",
    "users",
    "roles",
    "permissions",
    "tokens",
    "merchants",
    "terminals",
    "refunds",
    "disputes",
    "invoices",
    "receipts",
    "budgets",
    "goals",
    "rewards",
    "vouchers",
    "campaigns",
    "leads",
    "cases",
    "tasks",
    "reports",
];
/// Whose.
const KINDS: [&str; 5] = ["retail", "corporate", "private", "joint", "trust"];

/// The name of a resource.
pub fn resource(out: &mut String, number: u64) {
    let pick = |from: &[&'static str], at: u64| {
        from.get(usize::try_from(at).unwrap_or_default() % from.len()).copied().unwrap_or_default()
    };
    // Writing to a string cannot fail.
    _ = write!(out, "/api/{}-{}", pick(&KINDS, number), pick(&NOUNS, number / 5));
}

/// The template of one of the true endpoints, parameters as `{}`.
pub fn template(out: &mut String, number: u64) {
    let noun = |at: u64| {
        NOUNS.get(usize::try_from(at).unwrap_or_default() % NOUNS.len()).copied().unwrap_or_default()
    };
    let mine = number / 4;
    let (first, second) = (noun(mine * 7 + 3), noun(mine * 11 + 5));
    resource(out, mine);
    _ = match number % 4 {
        0 => write!(out, "/{{}}"),
        1 => write!(out, "/{{}}/{first}/{{}}"),
        2 => write!(out, "/{{}}/{second}"),
        _ => write!(out, "/{{}}/{first}/{{}}/{second}"),
    };
}

/// A call of one of the true endpoints.
pub fn api_path(out: &mut String, number: u64, random: &mut Random) {
    let mut shape = String::new();
    template(&mut shape, number);
    for (at, part) in shape.split("{}").enumerate() {
        if at > 0 {
            let [a, b, c] = [(); 3].map(|()| random.below(u32::MAX));
            _ = if number.is_multiple_of(3) {
                write!(
                    out,
                    "{a:08x}-{:04x}-4{:03x}-a{:03x}-{c:08x}{:04x}",
                    b >> 16,
                    b & 0xfff,
                    c & 0xfff,
                    a & 0xffff
                )
            } else {
                write!(out, "{a}{b:09}")
            };
        }
        out.push_str(part);
    }
}

/// Letters that nobody calls anything.
pub fn word(random: &mut Random) -> String {
    (0..4 + random.below(8))
        .map(|_| char::from(b'a' + u8::try_from(random.below(26)).unwrap_or_default()))
        .collect()
}
