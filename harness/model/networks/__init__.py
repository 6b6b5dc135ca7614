"""The networks that ship with the harness, one file each."""

from harness.model.network import Network
from harness.model.networks.ds_cnn import DS_CNN
from harness.model.networks.lenet5 import LENET5
from harness.model.networks.mbednet import MBEDNET
from harness.model.networks.mcunet_tail import MCUNET_TAIL
from harness.model.networks.mlp import MLP
from harness.model.networks.series_cnn import SERIES_CNN
from harness.model.networks.small_cnn import DIGITS_CNN, FMNIST_CNN

NETWORKS: dict[str, Network] = {
    network.name: network for network in (DIGITS_CNN, FMNIST_CNN, LENET5, MLP, MBEDNET, DS_CNN, SERIES_CNN, MCUNET_TAIL)
}
