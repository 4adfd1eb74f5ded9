//! A capture made in memory: keep-alive JSON traffic of a bank, the same at every run.
#![allow(dead_code, unreachable_pub, reason = "each bench uses its part")]

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
    let mut random = Random(0x2545_f491);
    let mut file: Vec<u8> = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut positions = vec![(1_u32, 1_u32); connections as usize];
    let (mut packets, mut clock) = (0, 0_u32);
    for _ in 0..exchanges {
        for (number, (client, server)) in (0_u16..).zip(&mut positions) {
            let request = format!(
                "GET /open-banking/v3.1/aisp/accounts/{:012}/transactions?page={} HTTP/1.1\r\nHost: api.bank.example\r\nUser-Agent: python-requests/2.31.0\r\nAccept: application/json\r\nAuthorization: Bearer {:0700}\r\nx-fapi-interaction-id: 93bac548-d2de-4546-b106-880a5018460d\r\n\r\n",
                random.below(u32::MAX),
                random.below(10),
                number
            );
            let body = body(&mut random);
            let response = format!(
                "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 07 Apr 2026 10:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n{body}",
                body.len()
            );
            for (up, text) in [(true, &request), (false, &response)] {
                for piece in text.as_bytes().chunks(SEGMENT) {
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
