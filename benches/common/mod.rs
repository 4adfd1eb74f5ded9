//! A capture made in memory: keep-alive JSON traffic of a bank, the same at every run.
#![allow(dead_code, unreachable_pub, reason = "each bench uses its part")]

pub mod api;

/// Payload bytes of a full segment.
const SEGMENT: usize = 1_448;

/// A capture file and what it holds.
pub struct Capture {
    /// The file: pcap, raw IP.
    pub file: Vec<u8>,
    /// Packets in it.
    pub packets: u64,
    /// Exchanges in it.
    pub exchanges: u64,
}

/// Numbers that look random and are the same at every run (xorshift).
pub struct Random(u32);

impl Random {
    /// The numbers from their beginning.
    pub const fn new() -> Self {
        Self(0x2545_f491)
    }

    /// Below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % limit
    }
}

/// A JSON body of about two kilobytes: transactions of an account.
pub fn body(random: &mut Random) -> String {
    let rows: Vec<String> = (0..6)
        .map(|_| {
            format!(
                r#"{{"AccountId":"{:012}","TransactionId":"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}","Amount":{{"Amount":"{}.{:02}","Currency":"EUR"}},"CreditDebitIndicator":"Debit","Status":"Booked","BookingDateTime":"2026-0{}-1{}T10:00:00+00:00","TransactionInformation":"Card purchase {}","MerchantDetails":{{"MerchantName":"Shop {}","MerchantCategoryCode":"54{:02}"}}}}"#,
                random.below(u32::MAX),
                random.below(u32::MAX),
                random.below(0xffff),
                random.below(0xfff),
                random.below(0xfff),
                random.below(u32::MAX),
                random.below(5_000),
                random.below(100),
                1 + random.below(9),
                random.below(9),
                random.below(99_999),
                random.below(50),
                random.below(100),
            )
        })
        .collect();
    format!(r#"{{"Data":{{"Transaction":[{}]}},"Meta":{{"TotalPages":1}}}}"#, rows.join(","))
}

/// Connections of many exchanges each, interleaved.
pub fn keep_alive(connections: u32, exchanges: u32) -> Capture {
    capture(connections, exchanges, &mut |number, _, random| {
        let request = format!(
            "GET /open-banking/v3.1/aisp/accounts/{:012}/transactions?page={} HTTP/1.1\r\nHost: api.bank.example\r\nUser-Agent: python-requests/2.31.0\r\nAccept: application/json\r\nAuthorization: Bearer {:0700}\r\nx-fapi-interaction-id: 93bac548-d2de-4546-b106-880a5018460d\r\n\r\n",
            random.below(u32::MAX),
            random.below(10),
            number
        );
        let body = body(random);
        let response = format!(
            "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 07 Apr 2026 10:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n{body}",
            body.len()
        );
        (request.into_bytes(), response.into_bytes())
    })
}

/// The same over HTTP/2 in the clear: what repeats is sent once and referred to, as clients and servers do.
pub fn http2(connections: u32, exchanges: u32) -> Capture {
    capture(connections, exchanges, &mut |number, nth, random| {
        let stream = 2 * nth + 1;
        let (mut up, mut down) = (Vec::new(), Vec::new());
        if nth == 0 {
            up.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            frame(&mut up, 4, 0, 0, &[]);
            frame(&mut down, 4, 0, 0, &[]);
        }
        // :method GET, :scheme http; :path is never the same, the rest always.
        let mut asked = vec![0x82, 0x86];
        let path = format!(
            "/open-banking/v3.1/aisp/accounts/{:012}/transactions?page={}",
            random.below(u32::MAX),
            random.below(10)
        );
        literal(&mut asked, 0x04, "", &path);
        let mut answered = vec![0x88];
        let body = body(random);
        if nth == 0 {
            literal(&mut asked, 0x41, "", "api.bank.example");
            literal(&mut asked, 0x7a, "", "python-requests/2.31.0");
            literal(&mut asked, 0x53, "", "application/json");
            literal(&mut asked, 0x57, "", &format!("Bearer {number:0700}"));
            literal(&mut asked, 0x40, "x-fapi-interaction-id", "93bac548-d2de-4546-b106-880a5018460d");
            literal(&mut answered, 0x76, "", "nginx");
            literal(&mut answered, 0x61, "", "Tue, 07 Apr 2026 10:00:00 GMT");
            literal(&mut answered, 0x5f, "", "application/json; charset=utf-8");
        } else {
            asked.extend_from_slice(&[0xc2, 0xc1, 0xc0, 0xbf, 0xbe]);
            answered.extend_from_slice(&[0xc0, 0xbf, 0xbe]);
        }
        literal(&mut answered, 0x0f, "", &body.len().to_string());
        frame(&mut up, 1, 5, stream, &asked);
        frame(&mut down, 1, 4, stream, &answered);
        frame(&mut down, 0, 1, stream, body.as_bytes());
        (up, down)
    })
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default();
    out.extend(length.to_be_bytes().iter().skip(1));
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

/// A literal field without Huffman coding; `first` is how it begins, with an index below the prefix's largest. An
/// index of 28, `content-length`, needs one byte more.
fn literal(out: &mut Vec<u8>, first: u8, name: &str, value: &str) {
    out.push(first);
    if first == 0x0f {
        out.push(28 - 15);
    }
    for text in [name, value].iter().filter(|text| !text.is_empty()) {
        match u8::try_from(text.len()) {
            Ok(short) if short < 127 => out.push(short),
            Ok(_) | Err(_) => {
                let mut left = text.len() - 127;
                out.push(127);
                while left >= 128 {
                    out.push(u8::try_from(left % 128).unwrap_or_default() | 128);
                    left /= 128;
                }
                out.push(u8::try_from(left).unwrap_or_default());
            }
        }
        out.extend(text.as_bytes());
    }
}

/// What a connection's end sends for its `nth` exchange: connection, exchange, numbers.
type Exchange<'a> = &'a mut dyn FnMut(u16, u32, &mut Random) -> (Vec<u8>, Vec<u8>);

fn capture(connections: u32, exchanges: u32, exchange: Exchange<'_>) -> Capture {
    let mut random = Random::new();
    let mut file: Vec<u8> = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut positions = vec![(1_u32, 1_u32); connections as usize];
    let (mut packets, mut clock) = (0, 0_u32);
    for nth in 0..exchanges {
        for (number, (client, server)) in (0_u16..).zip(&mut positions) {
            let (request, response) = exchange(number, nth, &mut random);
            for (up, text) in [(true, &request), (false, &response)] {
                for piece in text.chunks(SEGMENT) {
                    let (seq, ack) = if up { (*client, *server) } else { (*server, *client) };
                    let packet = tcp(number, up, seq, ack, piece);
                    clock += 3;
                    let length = u32::try_from(packet.len()).unwrap_or_default();
                    for word in [1_790_000_000 + clock / 1_000_000, clock % 1_000_000, length, length] {
                        file.extend(word.to_le_bytes());
                    }
                    file.extend(packet);
                    packets += 1;
                    let moved = u32::try_from(piece.len()).unwrap_or_default();
                    *(if up { &mut *client } else { &mut *server }) += moved;
                }
            }
        }
    }
    Capture { file, packets, exchanges: u64::from(connections) * u64::from(exchanges) }
}

fn tcp(connection: u16, up: bool, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let (client, server) = ([10, 0, 0, 1], [192, 0, 2, 80]);
    let total = u16::try_from(40 + payload.len()).unwrap_or_default();
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    let (source, destination) = if up { (client, server) } else { (server, client) };
    packet.extend(source);
    packet.extend(destination);
    let port = 10_000 + connection;
    let (from, to) = if up { (port, 80) } else { (80, port) };
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend(seq.to_be_bytes());
    packet.extend(ack.to_be_bytes());
    packet.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}
