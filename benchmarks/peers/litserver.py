"""LitServe: `python litserver.py PORT`."""

import sys

import litserve as ls
from model import answer, decode, load


class Classifier(ls.LitAPI):
    """One image a request, as in LitServe's documentation."""

    def setup(self, device):
        self.run = load()

    def decode_request(self, request):
        return decode(request["image"].file.read())

    def predict(self, batch):
        return self.run(batch)

    def encode_response(self, probabilities):
        return answer(probabilities[0])


if __name__ == "__main__":
    # Its 30 seconds are for a model that is quicker than this one behind eight clients.
    server = ls.LitServer(Classifier(), accelerator="cpu", timeout=120)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
