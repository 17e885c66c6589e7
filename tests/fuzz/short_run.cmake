# Copies CORPUS to COPY and runs the fuzz target PROGRAM on RUNS inputs that come from it.
file(REMOVE_RECURSE ${COPY})
file(COPY ${CORPUS}/ DESTINATION ${COPY})
execute_process(
  COMMAND ${PROGRAM} -runs=${RUNS} -seed=1 -max_len=16384 -timeout=60 -artifact_prefix=${COPY}- ${COPY}
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} found something (${result}); its input is ${COPY}-*")
endif()
