//! The claims of a JSON Web Token that name its caller (RFC 7519, RFC 9068). Signatures are not checked: a
//! sensor has no keys and judges what was sent, not whether it was accepted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Largest token part that is decoded.
const MAX_PART: usize = 16 << 10;

/// What a token says of its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// `iss`.
    pub(super) issuer: Option<String>,
    /// `client_id`, else `azp`, else `appid`, else `sub`.
    pub(super) client: Option<String>,
}

/// Reads a token; `None` when it is not a JWT.
pub(super) fn claims(token: &[u8]) -> Option<Claims> {
    let mut parts = token.split(|byte| *byte == b'.');
    let (header, payload) = (parts.next()?, parts.next()?);
    let signature = parts.next()?;
    // Five parts make an encrypted token (RFC 7516): its header is readable, its claims are not.
    let encrypted = parts.next().is_some() && parts.next().is_some();
    if parts.next().is_some() || !encrypted && signature.is_empty() && header.is_empty() {
        return None;
    }
    object(header)?.get("alg")?;
    if encrypted {
        return Some(Claims::default());
    }
    let claims = object(payload)?;
    let text = |name: &str| claims.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Some(Claims {
        issuer: text("iss"),
        client: text("client_id").or_else(|| text("azp")).or_else(|| text("appid")).or_else(|| text("sub")),
    })
}

fn object(part: &[u8]) -> Option<serde_json::Map<String, serde_json::Value>> {
    if part.len() > MAX_PART {
        return None;
    }
    let trimmed = part.trim_ascii_end();
    let unpadded = trimmed.strip_suffix(b"==").or_else(|| trimmed.strip_suffix(b"=")).unwrap_or(trimmed);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(unpadded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn claims_name_the_caller() {
        let jwt = token(
            r#"{"alg":"PS256"}"#,
            r#"{"iss":"https://id.bank.example/","client_id":"tpp-1","sub":"u"}"#,
        );
        let read = claims(jwt.as_bytes()).expect("a JWT");
        assert_eq!(read.issuer.as_deref(), Some("https://id.bank.example/"));
        assert_eq!(read.client.as_deref(), Some("tpp-1"));
        let jwt = token(r#"{"alg":"none"}"#, r#"{"sub":"u"}"#);
        assert_eq!(claims(jwt.as_bytes()).and_then(|claims| claims.client).as_deref(), Some("u"));
    }

    #[test]
    fn other_tokens_are_not_jwts() {
        for token in ["", "abc", "a.b.c", "1.2.3", "aGVsbG8.aGVsbG8.aGVsbG8", "e30.e30.x"] {
            assert_eq!(claims(token.as_bytes()), None, "{token}");
        }
    }
}
