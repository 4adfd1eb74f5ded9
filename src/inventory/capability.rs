//! The business capability a path serves, by the words in it.
//!
//! A first map for open banking: the leftmost word that names a capability decides; a path without one is
//! known by its first word that is no scaffolding.

/// Words of paths, by the capability they name. Matched on the parts of a segment, singular or plural.
const CAPABILITIES: &[(&str, &[&str])] = &[
    ("consents", &["consent", "mandate", "grant"]),
    ("funds confirmation", &["fund", "confirmation"]),
    (
        "payments",
        &[
            "payment",
            "transfer",
            "pisp",
            "payout",
            "remittance",
            "disbursement",
            "refund",
            "charge",
            "checkout",
            "order",
        ],
    ),
    ("cards", &["card", "pan"]),
    (
        "identity",
        &[
            "oauth",
            "oauth2",
            "token",
            "login",
            "logout",
            "auth",
            "authorize",
            "session",
            "sso",
            "oidc",
            "saml",
            "jwk",
            "jwks",
            "userinfo",
            "introspect",
            "revoke",
            "signin",
        ],
    ),
    (
        "accounts",
        &[
            "account",
            "balance",
            "statement",
            "aisp",
            "transaction",
            "beneficiary",
            "payee",
            "standing",
            "debit",
            "iban",
        ],
    ),
    (
        "customers",
        &[
            "customer", "party", "user", "client", "profile", "person", "kyc", "contact", "lead", "psu",
            "member",
        ],
    ),
    ("lending", &["loan", "credit", "mortgage", "overdraft"]),
    ("products", &["product", "offer", "rate", "price", "catalog", "catalogue"]),
    ("branches", &["branch", "atm", "location"]),
    ("reporting", &["report", "export", "analytic", "metric", "audit"]),
    ("operations", &["debug", "admin", "actuator", "internal", "health", "status", "ping", "monitor"]),
];

/// Words that lead to an API rather than name what it does.
const SCAFFOLDING: &[&str] = &[
    "api",
    "apis",
    "rest",
    "open",
    "banking",
    "open-banking",
    "public",
    "private",
    "external",
    "service",
    "services",
    "web",
    "app",
    "gateway",
    "partner",
    "mobile",
    "psd2",
    "xs2a",
];

/// The capability that a path template serves; `other` when no word tells.
#[must_use]
pub fn capability(template: &str) -> String {
    let words = || {
        template
            .split('/')
            .filter(|segment| !segment.is_empty() && !segment.contains('{'))
            .flat_map(|segment| segment.split(['-', '_', '.', ':']))
            .map(str::to_ascii_lowercase)
    };
    let named = words().find_map(|word| {
        let singular = singular(&word);
        CAPABILITIES
            .iter()
            .find(|(_, names)| names.contains(&singular.as_str()) || names.contains(&word.as_str()))
    });
    if let Some((name, _)) = named {
        return (*name).to_owned();
    }
    words()
        .find(|word| {
            word.len() > 2
                && word.bytes().all(|byte| byte.is_ascii_lowercase())
                && !SCAFFOLDING.contains(&word.as_str())
        })
        .unwrap_or_else(|| "other".to_owned())
}

fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    word.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_path_name_the_capability() {
        for (template, expected) in [
            ("/open-banking/v4.0/aisp/accounts/{AccountId}/balances", "accounts"),
            ("/open-banking/v4.0/pisp/domestic-payment-consents", "payments"),
            ("/v1/consents/{id}", "consents"),
            ("/oauth2/token", "identity"),
            ("/partner/v1/export/customers", "reporting"),
            ("/internal/debug/sessions/{id}", "operations"),
            ("/v2/beneficiaries", "accounts"),
            ("/api/v1/widgets/{id}", "widgets"),
            ("/{id}", "other"),
        ] {
            assert_eq!(capability(template), expected, "{template}");
        }
    }
}
