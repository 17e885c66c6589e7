# The instruction sets of x86 that have kernels of their own (runtime/kernels/x86_*) and their compiler options.
set(x86_kernels avx2 avxvnni avx512vnni avx512vbmi)
set(x86_options_avx2 -mavx2 -mno-fma)
set(x86_options_avxvnni ${x86_options_avx2} -mavxvnni)
set(x86_options_avx512vnni -mavx2 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni)
set(x86_options_avx512vbmi ${x86_options_avx512vnni} -mavx512vbmi)
