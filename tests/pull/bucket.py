"""A client of an S3 server, for the tests. Its settings are in the environment.

    bucket.py make BUCKET
    bucket.py put BUCKET       a JSON object a line: {"key": "...", "base64": "..."}
"""

import base64
import json
import sys

import boto3

_, command, bucket = sys.argv
client = boto3.client("s3")
if command == "make":
    client.create_bucket(Bucket=bucket)
else:
    for line in sys.stdin:
        put = json.loads(line)
        client.put_object(Bucket=bucket, Key=put["key"], Body=base64.b64decode(put["base64"]))
