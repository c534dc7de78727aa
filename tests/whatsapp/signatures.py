"""Reference signatures of webhook bodies, computed apart from this code.

Meta signs the bytes as it sends them, non-ASCII and slashes escaped (Meta, "Graph API webhooks, getting started"): the last
two bodies are equal as JSON and have different signatures.
"""

SECRET = "test_app_secret"

SIGNATURES = [
    (
        rb'{"object":"whatsapp_business_account","entry":[]}',
        "dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756",
    ),
    (
        rb'{"object": "whatsapp_business_account", "entry": []}',
        "56cbbaf4961c6cfdae48b7f116c047e5eb513d2c931baae63a2bc1afd26f803a",
    ),
    (
        rb'{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":{"name":"Jos\u00e9","href":"https:\/\/example.com"},"field":"messages"}]}]}',
        "21e2795f38267178024e252c3ff514b47f5d90cb6cc5f9197b71a7b70b14792e",
    ),
    (
        '{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":{"name":"José","href":"https://example.com"},"field":"messages"}]}]}'.encode(),
        "5a1ee280996f6d3cb3e69a4b1ebf1b1f800fc049ef63ab73647589867eed61b0",
    ),
]
