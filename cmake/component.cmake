# Assembles Shrike's ESP-IDF component in one folder that needs nothing beside it: to be copied into a project's
# components/, or uploaded to a registry.
#   cmake -D SOURCE=<repository> -D VERSION=x.y.z -D PROJECT_HOMEPAGE_URL=<url> -D FOLDER=<component> -P cmake/component.cmake
file(REMOVE_RECURSE ${FOLDER})
set(origin ${SOURCE}/firmware/esp-idf/shrike)
file(GLOB files RELATIVE ${origin} ${origin}/*)
foreach(file ${files})
  if(NOT file STREQUAL "idf_component.yml")
    file(COPY ${origin}/${file} DESTINATION ${FOLDER})
  endif()
endforeach()
string(REGEX MATCH "([0-9]+)\\.([0-9]+)\\.([0-9]+)" PROJECT_VERSION ${VERSION})
set(PROJECT_VERSION_MAJOR ${CMAKE_MATCH_1})
set(PROJECT_VERSION_MINOR ${CMAKE_MATCH_2})
set(PROJECT_VERSION_PATCH ${CMAKE_MATCH_3})
configure_file(${origin}/idf_component.yml ${FOLDER}/idf_component.yml @ONLY)
configure_file(${SOURCE}/runtime/include/shrike/version.h.in ${FOLDER}/runtime/include/shrike/version.h @ONLY)
# The kernels of PCs and browsers stay away.
foreach(folder api chips format heads include kernels model ops plan vision)
  file(COPY ${SOURCE}/runtime/${folder} DESTINATION ${FOLDER}/runtime FILES_MATCHING PATTERN "*.h" PATTERN "*.cpp"
    PATTERN "x86*" EXCLUDE PATTERN "neon*" EXCLUDE PATTERN "wasm" EXCLUDE)
endforeach()
file(COPY ${SOURCE}/LICENSE DESTINATION ${FOLDER})
