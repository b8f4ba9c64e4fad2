#!/bin/sh
# Build a wheel of llama-cpp-python for NVIDIA GPUs. The CUDA compiler and libraries come from PyPI,
# so neither a CUDA toolkit nor root is needed: Python 3.11 to 3.13, a C++ compiler, 3 GB of disk.
#
#     sh bench/build_cuda.sh FOLDER [ARCHITECTURES]
#
# ARCHITECTURES: of the GPUs, such as "80;90" (https://developer.nvidia.com/cuda-gpus, without the
# dot); "native" asks the GPU of this machine. The wheel needs a driver that runs CUDA 13 (580 or
# later) and a GPU since Turing (75).
set -eu
folder=${1:?the folder that takes the toolkit and the wheel}
architectures=${2:-native}
package=llama-cpp-python==0.3.36
# One release of CUDA: the compiler refuses headers of another one.
runtime=nvidia-cuda-runtime==13.2.75
cublas=nvidia-cublas==13.4.1.1
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
python3 -m venv "$folder/toolkit"
python="$folder/toolkit/bin/python"
"$python" -m pip install --quiet --no-deps wheel packaging "$runtime" "$cublas" \
    nvidia-cuda-nvcc==13.2.78 nvidia-cuda-crt==13.2.78 nvidia-nvvm==13.2.78 nvidia-cuda-cccl==13.2.75
cuda=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/nvidia/cu13
# A linker looks for names without a version, which the wheels do not have.
for library in cudart cublas cublasLt; do
    ln -sf "lib$library.so.13" "$cuda/lib/lib$library.so"
done
# Without GGML_CUDA_NO_VMM the build needs the driver's library. The libraries are found beside
# llama_cpp in whatever environment the wheel is installed in.
export CUDACXX="$cuda/bin/nvcc"
export CMAKE_ARGS="-DGGML_CUDA=on -DGGML_CUDA_NO_VMM=on -DCUDAToolkit_ROOT=$cuda \
-DCMAKE_CUDA_ARCHITECTURES=$architectures \
\"-DCMAKE_SHARED_LINKER_FLAGS=-Wl,-rpath,'\$ORIGIN/../../nvidia/cu13/lib'\""
# Always from source: neither a finished CPU wheel nor one of pip's cache.
"$python" -m pip wheel --no-deps --no-cache-dir --no-binary llama-cpp-python \
    --wheel-dir "$folder/built" "$package"
"$python" -m wheel unpack --dest "$folder/unpacked" "$folder"/built/llama_cpp_python-*.whl
if [ -z "$(find "$folder/unpacked" -name 'libggml-cuda*.so')" ]; then
    echo "The wheel has no CUDA part: look for 'CUDA' in what CMake wrote (pip wheel --verbose)." >&2
    exit 1
fi
# The wheel names what it needs, so that pip and t2local's kit (bundle) bring it along.
for metadata in "$folder"/unpacked/*/*.dist-info/METADATA; do
    sed -i "0,/^Version:/s/^Version:.*/&\nRequires-Dist: $runtime\nRequires-Dist: $cublas/" "$metadata"
done
for unpacked in "$folder"/unpacked/*; do
    "$python" -m wheel pack --dest-dir "$folder" "$unpacked"
done
echo "Next: python -m pip uninstall --yes llama-cpp-python"
echo "      python -m pip install $folder/llama_cpp_python-*.whl"
echo "      python -m t2local doctor    # 'devices' must list the GPU"
